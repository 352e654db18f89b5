'use strict';
'require baseclass';

// A week to paint on: 7 days of 48 half hours, each with the mode that a window of the schedule sets.
//
// The first window that covers a moment counts. What is painted therefore stands before all other
// windows: the leading ones that begin and end at half hours and set nothing but a mode are the
// picture, and painting replaces them. The first of another kind, and all behind it, are left as they
// are, and show through where nothing is painted.

const DAYS = [ 'mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun' ];
const SLOTS = 48, CELLS = 7 * SLOTS;
// Mode: colour, colour of its letter. The letter says the same as the colour.
const MODES = {
	full: [ '#2e7d32', '#fff' ],
	light: [ '#a5d6a7', '#000' ],
	relay: [ '#ffca28', '#000' ],
	paused: [ '#b71c1c', '#fff' ],
};
const STYLE = `
.kwaainet-week { overflow: hidden; user-select: none; -webkit-user-select: none; }
.kwaainet-week [role=radiogroup] { display: flex; flex-wrap: wrap; gap: .5em 1.2em; margin: .5em 0; }
.kwaainet-week label { display: flex; align-items: center; gap: .4em; width: auto; cursor: pointer; }
.kwaainet-week .key { display: inline-block; width: 1.6em; height: 1.6em; line-height: 1.6em; text-align: center; border: 1px solid #888; }
.kwaainet-week [role=grid] { display: grid; grid-template-columns: 3em repeat(48, minmax(0, 1fr)); gap: 1px; margin: .5em 0; }
.kwaainet-week [role=row] { display: contents; }
.kwaainet-week .hour, .kwaainet-week [role=rowheader] { font-size: 85%; line-height: 1.9; white-space: nowrap; }
.kwaainet-week .hour { grid-column: span 2; overflow: visible; width: 0; }
.kwaainet-week [role=gridcell] { background: rgba(128, 128, 128, .16); font-size: 10px; line-height: 2.4; height: 2.4em;
	text-align: center; cursor: crosshair; touch-action: none; overflow: hidden; }
.kwaainet-week [role=gridcell].row { background-image: repeating-linear-gradient(45deg, transparent 0 3px, rgba(128, 128, 128, .55) 3px 5px); }
.kwaainet-week [role=gridcell].marked { outline: 2px solid #1e88e5; outline-offset: -2px; }
.kwaainet-week [role=gridcell]:focus { outline: 3px solid #1e88e5; outline-offset: -1px; position: relative; z-index: 1; }
@media (max-width: 800px) {
	.kwaainet-week [role=grid] { grid-template-columns: none; grid-template-rows: 1.8em repeat(48, 1.15em); grid-auto-flow: column;
		grid-auto-columns: minmax(0, 1fr); }
	.kwaainet-week .hour { grid-column: auto; grid-row: span 2; }
	.kwaainet-week [role=gridcell] { line-height: 1.15em; height: auto; }
	.kwaainet-week [role=rowheader] { text-align: center; }
}`;

const clock = (slot) => String(slot >> 1).padStart(2, '0') + (slot & 1 ? ':30' : ':00');
const slotOf = (time) => /^([01][0-9]|2[0-3]):[03]0$|^24:00$/.test(time) ? time.slice(0, 2) * 2 + (time[3] == '3') : NaN;
const minuteOf = (time) => time.slice(0, 2) * 60 + +time.slice(3);

// Whether a window covers `minute` of `day`, from 0 for Monday.
function covers(row, day, minute) {
	const on = (day) => !row.days.length || row.days.includes(DAYS[(day + 7) % 7]);
	const start = minuteOf(row.start), end = minuteOf(row.end);

	return start < end ? on(day) && start <= minute && minute < end
		: minute >= start ? on(day) : minute < end && on(day - 1);
}

const isPicture = (row) => !row.other && MODES.hasOwnProperty(row.mode) && row.days.every((day) => DAYS.includes(day))
	&& !isNaN(slotOf(row.start)) && !isNaN(slotOf(row.end));

// The modes that `rows` set in the half hour `cell`, first come first served; '' for none.
const modeAt = (rows, cell, minute = 0) => {
	const row = rows.find((row) => covers(row, Math.floor(cell / SLOTS), cell % SLOTS * 30 + minute));

	return row ? row.mode : '';
};

// `rows` are windows: { days: [], start, end, mode, other }, the last true if it sets more than a mode.
// `lead`: how many of them are the picture. `cells`: its modes, '' where it has none.
// `below`: what shows through.
function read(rows) {
	const first = rows.findIndex((row) => !isPicture(row)), lead = first < 0 ? rows.length : first;
	const others = rows.slice(lead).filter((row) => /^[0-9]{2}:[0-9]{2}$/.test(row.start) && /^[0-9]{2}:[0-9]{2}$/.test(row.end));
	const cells = [], below = [];

	for (let cell = 0; cell < CELLS; cell++) {
		cells.push(modeAt(rows.slice(0, lead), cell));
		below.push([ 0, 10, 20, 29 ].map((minute) => modeAt(others, cell, minute)).find(Boolean) || '');
	}

	return { lead, cells, below };
}

// The runs of one mode within a day, those over midnight in one: [day, start, end, mode] in half hours.
function runs(cells) {
	const found = [];

	for (let cell = 0; cell < CELLS; cell++) {
		const slot = cell % SLOTS, last = found[found.length - 1];

		if (cells[cell] && slot && cells[cell] == cells[cell - 1])
			last[2]++;
		else if (cells[cell])
			found.push([ Math.floor(cell / SLOTS), slot, slot + 1, cells[cell] ]);
	}

	for (const evening of found.slice()) {
		const morning = found.find((run) => run[0] == (evening[0] + 1) % 7 && run[1] == 0);

		// One that is itself joined to an evening has its end before its start.
		if (evening[2] == SLOTS && evening[1] && morning && morning[3] == evening[3] && morning[2] <= evening[1]) {
			evening[2] = morning[2];
			found.splice(found.indexOf(morning), 1);
		}
	}

	return found;
}

// The windows of a picture, as few as it takes; no two cover the same moment.
function write(cells) {
	const windows = new Map();

	for (const [ day, start, end, mode ] of runs(cells)) {
		const key = [ start, end, mode ].join();

		if (!windows.has(key))
			windows.set(key, { days: [], start: clock(start), end: clock(end), mode });
		windows.get(key).days.push(DAYS[day]);
	}

	const found = Array.from(windows.values());

	found.forEach((row) => row.days = row.days.length == 7 ? [] : DAYS.filter((day) => row.days.includes(day)));
	return found;
}

// The rectangle between two cells: the same hours on several days.
function between(from, to) {
	const days = [ from, to ].map((cell) => Math.floor(cell / SLOTS)).sort((a, b) => a - b);
	const slots = [ from, to ].map((cell) => cell % SLOTS).sort((a, b) => a - b);
	const found = [];

	for (let day = days[0]; day <= days[1]; day++)
		for (let slot = slots[0]; slot <= slots[1]; slot++)
			found.push(day * SLOTS + slot);

	return found;
}

// The picture of rows() to paint on. paint(cells) gets what was painted, and answers with what is
// wrong with it, if anything is.
function render(rows, paint, readonly) {
	const titles = { full: _('Full'), light: _('Light'), relay: _('Relay'), paused: _('Paused'), '': _('Not painted') };
	const days = [ _('Monday'), _('Tuesday'), _('Wednesday'), _('Thursday'), _('Friday'), _('Saturday'), _('Sunday') ];
	const letter = (mode) => titles[mode] && mode ? titles[mode][0] : '';
	const problem = E('p', { 'class': 'alert-message warning', 'role': 'alert', 'hidden': '' });
	let picture, brush = 'paused', from = -1, to = -1;

	const cells = Array.from(Array(CELLS).keys(), (cell) => E('div', {
		'role': 'gridcell', 'tabindex': cell ? -1 : 0, 'data-cell': cell,
	}));
	const colour = (node, mode, row) => {
		const [ back, front ] = MODES[mode] || [ '', '' ];

		node.style.backgroundColor = row ? '' : back;
		node.style.color = row ? '' : front;
		node.classList.toggle('row', row);
		node.textContent = letter(mode);
	};
	const draw = () => {
		picture = read(rows());
		cells.forEach((node, cell) => {
			const mode = picture.cells[cell] || picture.below[cell], row = !picture.cells[cell] && !!mode;
			const slot = cell % SLOTS;

			colour(node, mode, row);
			node.setAttribute('aria-label', '%s %s–%s: %s'.format(days[Math.floor(cell / SLOTS)], clock(slot), clock(slot + 1),
				row ? _('row of the table') : titles[mode]));
		});
	};
	const mark = () => {
		const marked = from < 0 ? [] : between(from, to);

		cells.forEach((node, cell) => node.classList.toggle('marked', marked.includes(cell)));
	};
	const apply = () => {
		const next = picture.cells.slice();

		between(from, to).forEach((cell) => next[cell] = brush);
		from = to = -1;
		mark();

		const wrong = paint(next, picture.lead);

		problem.hidden = !wrong;
		problem.textContent = wrong || '';
		draw();
	};
	const focus = (cell) => {
		cells.forEach((node, i) => node.tabIndex = i == cell ? 0 : -1);
		cells[cell].focus();
	};
	const cellAt = (ev) => {
		const node = document.elementFromPoint(ev.clientX, ev.clientY);

		return node && cells.includes(node) ? +node.dataset.cell : -1;
	};
	const handlers = readonly ? {} : {
		'pointerdown': (ev) => {
			from = to = cellAt(ev);
			if (from >= 0) {
				ev.preventDefault();
				focus(from);
				mark();
			}
		},
		'pointermove': (ev) => {
			if (from >= 0 && cellAt(ev) >= 0 && cellAt(ev) != to) {
				to = cellAt(ev);
				mark();
			}
		},
		'pointerup': () => from >= 0 && apply(),
		'pointercancel': () => { from = to = -1; mark(); },
		'keydown': (ev) => {
			const cell = +ev.target.dataset.cell, across = window.matchMedia('(max-width: 800px)').matches;
			const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -SLOTS, ArrowDown: SLOTS, Home: -(cell % SLOTS), End: SLOTS - 1 - cell % SLOTS }[
				across ? { ArrowLeft: 'ArrowUp', ArrowRight: 'ArrowDown', ArrowUp: 'ArrowLeft', ArrowDown: 'ArrowRight' }[ev.key] || ev.key : ev.key];

			if (step !== undefined) {
				const next = (cell + step + CELLS) % CELLS;

				if (ev.shiftKey) {
					from = from < 0 ? cell : from;
					to = next;
				}
				else {
					from = to = -1;
				}
				focus(next);
				mark();
			}
			else if (ev.key == ' ' || ev.key == 'Enter') {
				from = from < 0 ? cell : from;
				to = cell;
				apply();
			}
			else {
				return;
			}
			ev.preventDefault();
		},
	};
	const radio = (mode) => {
		const key = E('span', { 'class': 'key', 'aria-hidden': 'true' });

		colour(key, mode, false);
		return E('label', {}, [
			E('input', {
				'type': 'radio', 'name': 'kwaainet-brush', 'value': mode, 'checked': mode == brush ? '' : null,
				'disabled': readonly ? '' : null, 'change': () => brush = mode,
			}), key, titles[mode],
		]);
	};
	const header = Array.from(Array(24).keys(), (hour) => E('div', { 'class': 'hour', 'aria-hidden': 'true' }, [ hour % 3 ? '' : clock(hour * 2) ]));

	draw();

	const node = E('div', { 'class': 'kwaainet-week' }, [
		E('style', {}, [ STYLE ]),
		E('div', { 'role': 'radiogroup', 'aria-label': _('Mode to paint with') }, Object.keys(titles).map(radio)),
		E('div', Object.assign({ 'role': 'grid', 'aria-label': _('Week') }, handlers), [
			E('div', { 'role': 'row', 'aria-hidden': 'true' }, [ E('div'), ...header ]),
			...days.map((day, i) => E('div', { 'role': 'row' }, [
				E('div', { 'role': 'rowheader', 'aria-label': day }, [ day.slice(0, 2) ]),
				...cells.slice(i * SLOTS, (i + 1) * SLOTS),
			])),
		]),
		problem,
	]);

	node.draw = draw;
	return node;
}

return baseclass.extend({ read, write, render });
