import { crc32, deflateSync, inflateSync } from 'node:zlib';

/*
 * Rewrites a PNG as it comes from a browser (8 bits, RGB or RGBA, not interlaced) with a palette of 256 colours: a
 * third of the bytes, and for pages of flat colours no difference that is seen. PNG specification, 3rd edition.
 */

/** @throws Error when the file is another kind of PNG */
export function indexPng(png: Buffer): Buffer {
  const chunks = readChunks(png);
  const header = chunks.find(({ type }) => type === 'IHDR')?.data;
  if (header === undefined || header[8] !== 8 || ![2, 6].includes(header[9] ?? 0) || header[12] !== 0)
    throw new Error('not a PNG of 8 bits in RGB or RGBA');
  const [width, height, bytes] = [header.readUInt32BE(0), header.readUInt32BE(4), header[9] === 2 ? 3 : 4];
  const rows = inflateSync(
    Buffer.concat(chunks.filter(({ type }) => type === 'IDAT').map(({ data }) => data)),
  );
  const pixels = unfilter(rows, width * bytes, height, bytes);
  const colours = readColours(pixels, bytes);
  const palette = choosePalette(colours);
  const nearest = new Map<number, number>();
  const indexed = Buffer.alloc((width + 1) * height);
  for (let at = 0; at < colours.length; at++) {
    const colour = colours[at] ?? 0;
    const known = nearest.get(colour) ?? findNearest(colour, palette);
    nearest.set(colour, known);
    indexed[Math.floor(at / width) * (width + 1) + 1 + (at % width)] = known;
  }
  const indexedHeader = Buffer.from(header);
  indexedHeader[9] = 3;
  return Buffer.concat([
    png.subarray(0, 8),
    writeChunk('IHDR', indexedHeader),
    writeChunk(
      'PLTE',
      Buffer.from(palette.flatMap((colour) => [colour >> 16, (colour >> 8) & 255, colour & 255])),
    ),
    writeChunk('IDAT', deflateSync(indexed, { level: 9 })),
    writeChunk('IEND', Buffer.alloc(0)),
  ]);
}

interface Chunk {
  readonly type: string;
  readonly data: Buffer;
}

function readChunks(png: Buffer): Chunk[] {
  const chunks: Chunk[] = [];
  for (let at = 8; at < png.length; ) {
    const length = png.readUInt32BE(at);
    chunks.push({
      type: png.toString('latin1', at + 4, at + 8),
      data: png.subarray(at + 8, at + 8 + length),
    });
    at += length + 12;
  }
  return chunks;
}

/** Undoes the filters of scanlines (chapter 9 of the specification). */
function unfilter(rows: Buffer, stride: number, height: number, bytes: number): Buffer {
  const out = Buffer.alloc(stride * height);
  for (let row = 0; row < height; row++) {
    const filter = rows[row * (stride + 1)] ?? 0;
    for (let column = 0; column < stride; column++) {
      const left = column < bytes ? 0 : (out[row * stride + column - bytes] ?? 0);
      const above = row === 0 ? 0 : (out[(row - 1) * stride + column] ?? 0);
      const corner = row === 0 || column < bytes ? 0 : (out[(row - 1) * stride + column - bytes] ?? 0);
      const predicted = [0, left, above, (left + above) >> 1, paeth(left, above, corner)][filter] ?? 0;
      out[row * stride + column] = ((rows[row * (stride + 1) + 1 + column] ?? 0) + predicted) & 255;
    }
  }
  return out;
}

function paeth(left: number, above: number, corner: number): number {
  const guess = left + above - corner;
  const [one, two, three] = [Math.abs(guess - left), Math.abs(guess - above), Math.abs(guess - corner)];
  return one <= two && one <= three ? left : two <= three ? above : corner;
}

function readColours(pixels: Buffer, bytes: number): Uint32Array {
  return Uint32Array.from({ length: pixels.length / bytes }, (_, at) => pixels.readUIntBE(at * bytes, 3));
}

/** The most frequent colours; of a page of flat colours the others are the edges of letters. */
function choosePalette(colours: Uint32Array): number[] {
  const counts = new Map<number, number>();
  for (const colour of colours) counts.set(colour, (counts.get(colour) ?? 0) + 1);
  return [...counts]
    .sort(([, one], [, other]) => other - one)
    .slice(0, 256)
    .map(([colour]) => colour);
}

function findNearest(colour: number, palette: readonly number[]): number {
  const distance = (other: number) =>
    [16, 8, 0].reduce((sum, shift) => sum + (((colour >> shift) & 255) - ((other >> shift) & 255)) ** 2, 0);
  let best = 0;
  for (const [index, other] of palette.entries())
    if (distance(other) < distance(palette[best] ?? 0)) best = index;
  return best;
}

function writeChunk(type: string, data: Buffer): Buffer {
  const chunk = Buffer.alloc(data.length + 12);
  chunk.writeUInt32BE(data.length, 0);
  chunk.write(type, 4, 'latin1');
  data.copy(chunk, 8);
  chunk.writeUInt32BE(crc32(chunk.subarray(4, data.length + 8)), data.length + 8);
  return chunk;
}
