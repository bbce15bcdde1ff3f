import { isUnread } from '../../repository/reading.ts';
import type { Damage } from './result.ts';

/** What a validation has found so far. */
export class Findings {
  readonly damages: Damage[] = [];
  /** What exists but could not be read; it may be whole */
  readonly unread: Damage[] = [];
  /** Names of damaged objects */
  readonly damagedObjects = new Set<string>();
  readonly #unreadObjects = new Set<string>();

  /**
   * Notes a finding as damaged or unread.
   *
   * @param error tells which of the two it is
   */
  note(damage: Damage, error: unknown): void {
    (isUnread(error) ? this.unread : this.damages).push(damage);
  }

  noteObject(name: string, error: unknown): void {
    (isUnread(error) ? this.#unreadObjects : this.damagedObjects).add(name);
  }

  /** Whether an object was found damaged, or could not be read. */
  isBad(name: string): boolean {
    return this.damagedObjects.has(name) || this.#unreadObjects.has(name);
  }

  /** Ids of damaged backups */
  get broken(): ReadonlySet<string> {
    return idsOf(this.damages);
  }

  /** Damaged segments by key, each with where it is damaged first */
  get brokenSegments(): ReadonlyMap<string, Damage['where']> {
    const keys = new Set(this.damages.map(({ segment }) => segment).filter((key) => key !== null));
    return new Map(
      [...keys].sort().map((key) => [key, firstPlace(this.damages, ({ segment }) => segment === key)]),
    );
  }

  /** Keys of segments with parts that could not be read */
  get doubtfulSegments(): ReadonlySet<string> {
    return new Set(this.unread.map(({ segment }) => segment).filter((key) => key !== null));
  }

  /** Ids of backups with parts that could not be read */
  get doubtful(): ReadonlySet<string> {
    return idsOf(this.unread);
  }

  /** Tells where a backup is damaged: the first of manifest, objects and contents. */
  whereOf(id: string): Damage['where'] {
    return firstPlace(this.damages, ({ backup }) => backup === id);
  }
}

function firstPlace(damages: readonly Damage[], isMeant: (damage: Damage) => boolean): Damage['where'] {
  const places = new Set(damages.filter(isMeant).map(({ where }) => where));
  return places.has('manifest') ? 'manifest' : places.has('objects') ? 'objects' : 'contents';
}

function idsOf(damages: readonly Damage[]): Set<string> {
  return new Set(damages.map(({ backup }) => backup).filter((id) => id !== null));
}
