/**
 * The one script of the page, as it runs in a browser. It reads the JSON in the page, writes text and never
 * markup, and asks no network. The page is whole without it.
 */
export const script = String.raw`
'use strict';
(() => {
  const data = JSON.parse(document.getElementById('data').textContent);

  const pad = (value) => String(value).padStart(2, '0');
  const count = (value) => value.toLocaleString('en-US');
  const clock = (at) => new Date(at).toISOString().slice(0, 16).replace('T', ' ');
  const second = (at) => new Date(at).toISOString().slice(0, 19).replace('T', ' ');

  const duration = (ms) => {
    if (ms < 999.5) return Math.round(ms) + ' ms';
    if (ms < 59950) return (ms / 1000).toFixed(1) + ' s';
    const seconds = Math.round(ms / 1000);
    if (seconds < 3600) return Math.floor(seconds / 60) + ' min ' + pad(seconds % 60) + ' s';
    const minutes = Math.round(seconds / 60);
    return Math.floor(minutes / 60) + ' h ' + pad(minutes % 60) + ' min';
  };
  const age = (ms) => {
    const days = Math.floor(ms / 86400000);
    const hours = Math.floor((ms % 86400000) / 3600000);
    return days < 2 ? duration(ms) : days + ' d' + (hours === 0 ? '' : ' ' + hours + ' h');
  };
  const bytes = (size) => {
    const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];
    let unit = 0;
    while (size >= 999.5 && unit < units.length - 1) { size /= 1000; unit += 1; }
    return (unit === 0 ? Math.round(size) : size.toPrecision(3)) + ' ' + units[unit];
  };
  const make = (name, text) => {
    const element = document.createElement(name);
    element.textContent = text;
    return element;
  };

  /* Commands: a word of the user stands in quotes wherever the shell could read more into it. */
  const quote = (word) => /^[\w./:@%+=,-]+$/.test(word) ? word : "'" + word.replaceAll("'", "'\\''") + "'";
  const fill = (line, words) => line.replace(/\{(backup|time|tables|confirm)\}/g, (token, name) => quote(words[name]));

  const setUpManager = (form) => {
    const known = data[Number(form.dataset.manager)];
    const chosen = (name) => form.querySelector('input[name=' + name + ']:checked').value;
    const part = (selector) => form.querySelector(selector);
    /* What is typed stays whole: a name in double quotes may hold a comma. */
    const tables = () => [
      ...[...form.querySelectorAll('input[name=table]:checked')].map((box) => box.value),
      form.elements.patterns.value.trim(),
    ].filter((text) => text !== '');
    const show = () => {
      const scope = chosen('scope');
      const timeChoice = form.querySelector('input[name=point][value=time]');
      if (timeChoice) {
        timeChoice.disabled = scope === 'rows';
        if (scope === 'rows' && timeChoice.checked) form.querySelector('input[name=point][value=backup]').checked = true;
      }
      const point = chosen('point');
      const target = scope === 'rows' ? 'live' : chosen('target');
      part('[data-tables]').hidden = scope === 'whole';
      part('[data-for=backup]').hidden = point !== 'backup';
      part('[data-for=time]').hidden = point !== 'time';
      part('[data-target]').hidden = scope === 'rows';
      const way = known.ways[scope + '-' + point + '-' + target];
      const backup = known.backups.find(([id]) => id === form.elements.backup.value);
      const time = point === 'time' ? Date.parse(form.elements.time.value + 'Z') : backup[1];
      const names = tables();
      const isReachable = point === 'backup' || known.windows.some(([from, to]) => time >= from && time <= to);
      /* What a time holds is told by the backup before it. */
      const base = point === 'backup' ? backup : known.backups.find((one) => one[8] === 1 && one[1] <= time);
      const words = {
        backup: backup[0],
        time: Number.isNaN(time) ? '…' : new Date(time).toISOString().replace('.000Z', 'Z'),
        tables: names.length === 0 ? '…' : names.join(','),
        confirm: form.elements.confirm.value.trim() === known.words ? known.words : '…',
      };
      for (const key of ['preview', 'command', 'workflow']) {
        /* A line that fails when it is run is no help. */
        const line = isReachable ? way[key] : undefined;
        part('[data-line=' + key + ']').hidden = line === undefined;
        part('[data-line=' + key + '] code').textContent = line === undefined ? '' : fill(line, words);
      }
      part('[data-workflow-note]').hidden = !isReachable || way.workflow === undefined;
      tell({ scope, point, target, base: isReachable ? base : undefined, time, names });
    };
    const tell = (choice) => {
      const { scope, point, target, base, time } = choice;
      const plan = base === undefined
        ? [['As of', Number.isNaN(time) ? 'choose a time'
          : second(time) + ' UTC: cannot be reached, so there is no line to run; see the times beside the field']]
        : [
          ['Comes back', tellContents(choice)],
          ['As of', point === 'backup' ? clock(time) + ' UTC, ' + base[3] : second(time) + ' UTC, which can be reached'],
          ['Takes', tellDuration(choice)],
          ['Is lost', tellLoss(scope, target, time)],
        ];
      if (base !== undefined && target === 'production') plan.push(['Words to type', known.words]);
      const list = part('[data-plan]');
      list.replaceChildren(...plan.flatMap(([title, text]) => [make('dt', title), make('dd', text)]));
    };
    /* What is in tables is known of the newest backup alone. */
    const findWanted = (names) => {
      const wanted = known.tables.filter(([pattern]) => names.includes(pattern));
      return names.length > 0 && wanted.length === names.length ? wanted : undefined;
    };
    const sum = (tables, index) => tables.reduce((all, table) => all + table[index], 0);
    const tellContents = ({ scope, point, base, names }) => {
      const before = point === 'time' ? ', as in the backup before it, of ' + clock(base[1]) : '';
      if (scope === 'whole') return 'everything: ' + (before && 'about ') + count(base[4]) + ' rows, ' + bytes(base[5]) + before;
      if (names.length === 0) return 'nothing yet: choose tables';
      const wanted = findWanted(names);
      if (wanted === undefined) return 'what ' + names.join(', ') + ' fit';
      const rows = (wanted.length === 1 ? '1 table: ' : wanted.length + ' tables: ') + count(sum(wanted, 1)) + ' rows';
      if (base[0] === known.newest) return rows + before;
      const newest = known.backups.find(([id]) => id === known.newest);
      return rows + ' as of the newest backup' + (newest === undefined ? '' : ', of ' + clock(newest[1]))
        + '; how many the chosen one has is not known here';
    };
    /* By the bytes of what is chosen, compared with those of what was measured */
    const tellDuration = ({ scope, point, base, names }) => {
      const { recovery } = known;
      if (recovery === null) return 'not measured: no drill was run';
      const basis = recovery.basis + (point === 'time' ? '; to replay the changes since the backup comes on top' : '');
      if (!recovery.bytes) return 'not known of this backup; ' + duration(recovery.milliseconds) + ', ' + basis;
      const wanted = findWanted(names);
      const some = scope === 'whole' ? base[5]
        : wanted !== undefined && base[0] === known.newest ? sum(wanted, 2) : undefined;
      const milliseconds = recovery.milliseconds * (some ?? base[5]) / recovery.bytes;
      const told = (milliseconds < 1000 ? 'a second' : duration(milliseconds)) + (recovery.isLeast ? ' or more' : '')
        + ', ' + basis + (some === recovery.bytes ? '' : ', by the share of the bytes');
      return (some === undefined ? 'less than everything, which takes about ' : 'about ') + told;
    };
    const tellLoss = (scope, target, time) => {
      if (target === 'empty') return 'nothing: what is there stays where it is';
      if (target === 'live') return 'nothing: live tables are read, and the SQL that brings rows back is yours to run';
      if (Number.isNaN(time)) return 'choose a time';
      return 'what was written after it, the last ' + age(Math.max(0, known.now - time)) + (scope === 'whole' ? '' : ' of these tables')
        + '; a safety backup is taken of what is there';
    };
    form.addEventListener('input', show);
    form.addEventListener('submit', (event) => event.preventDefault());
    form.hidden = false;
    const newest = known.windows.at(-1);
    if (newest) form.elements.time.value = new Date(newest[1]).toISOString().slice(0, 19);
    show();
  };

  const copy = async (button) => {
    const code = button.closest('[data-line]').querySelector('code');
    getSelection().selectAllChildren(code);
    try {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = 'Copied';
    } catch {
      button.textContent = 'Selected: copy it';
    }
    setTimeout(() => { button.textContent = 'Copy'; }, 2000);
  };

  /* Older backups, some at a time: thousands of rows at once would hold up the page. */
  const step = 500;
  const addBackups = (button) => {
    const { backups } = data[Number(button.dataset.more)];
    const body = document.querySelector('[data-backups="' + button.dataset.more + '"] tbody');
    const next = backups.slice(body.rows.length, body.rows.length + step);
    for (const [id, at, kind, state, rows, size, added, took] of next) {
      const row = document.createElement('tr');
      const cells = [id, clock(at), kind, state, count(rows), bytes(size), bytes(added), duration(took)];
      row.append(...cells.map((text, index) => {
        const cell = make('td', text);
        if (index > 3) cell.className = 'number';
        return cell;
      }));
      body.append(row);
    }
    if (body.rows.length >= backups.length) button.parentElement.hidden = true;
    else button.textContent = 'Show ' + count(Math.min(step, backups.length - body.rows.length)) + ' more';
  };

  document.addEventListener('click', (event) => {
    const button = event.target.closest('button');
    if (button === null) return;
    if (button.dataset.copy !== undefined) copy(button);
    if (button.dataset.more !== undefined) addBackups(button);
  });
  for (const more of document.querySelectorAll('.more-backups')) more.hidden = false;
  for (const form of document.querySelectorAll('[data-manager]')) setUpManager(form);

  /* On paper nothing can be opened. */
  let opened = [];
  addEventListener('beforeprint', () => {
    opened = [...document.querySelectorAll('details:not([open])')];
    for (const details of opened) details.open = true;
  });
  addEventListener('afterprint', () => { for (const details of opened) details.open = false; });
})();
`;
