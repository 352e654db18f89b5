'use strict';
'require kwaainet.node as node';
'require view';

/* The node's lines in the router's log, as they come. */

const POLL = 5; // seconds
const LINES = 200;
const LEVELS = [ 'debug', 'info', 'warning', 'error' ];
const NAMES = { debug: _('Debug'), info: _('Info'), warning: _('Warning'), error: _('Error') };

/*
 * A line of logread in its parts: time, level, text. The node's own lines name their level behind the
 * name of the program; of others it is syslog's.
 */
function parsed(line) {
	const found = line.match(/^\w+ (\w+ +\d+ [\d:]+) \d+ \w+\.(\w+) [\w-]+(?:\[\d+\])?: (.*)$/) || [ '', '', '', line ];
	const own = found[3].match(/^\S+Z (debug|info|warning|error) (.*)$/);
	const level = /^(emerg|alert|crit|err)/.test(found[2]) ? 'error' : /^warn/.test(found[2]) ? 'warning' : 'info';

	return own ? { time: found[1], level: own[1], text: own[2] } : { time: found[1], level: level, text: found[3] };
}

/* How many of `old` have gone from the front, so that the rest begins `lines`. */
function gone(old, lines) {
	for (let shift = 0; shift < old.length; shift++)
		if (old.slice(shift).every((line, i) => line === lines[i]))
			return shift;

	return old.length;
}

return view.extend({
	load: () => Promise.all([ node.log(LINES).catch(() => ({ state: 'unknown' })), node.style() ]),

	render: function(found) {
		this.lines = [];
		this.level = 0;
		this.wanted = '';
		this.paused = false;

		this.follow = true;
		this.list = E('div', { 'class': 'kn-log', 'role': 'log', 'aria-live': 'off', 'aria-label': _('Log of the node'),
			'tabindex': 0,
			'scroll': () => this.follow = this.list.scrollHeight - this.list.scrollTop - this.list.clientHeight < 30
		}, []);
		new ResizeObserver(() => this.toEnd()).observe(this.list);
		this.count = E('p', { 'role': 'status' }, []);

		const page = E('div', { 'class': 'kn' }, [
			E('h2', {}, [ _('Log') ]),
			E('div', { 'class': 'kn-filter' }, [
				E('label', {}, [ _('Level'), ' ', E('select', {
					'class': 'cbi-input-select',
					'change': ev => { this.level = +ev.target.value; this.draw(); }
				}, LEVELS.map((level, i) => E('option', { 'value': i }, [
					i == 0 ? _('All') : i == LEVELS.length - 1 ? NAMES[level] : _('%s and worse').format(NAMES[level])
				]))) ]),
				E('label', {}, [ _('Search'), ' ', E('input', {
					'type': 'text', 'class': 'cbi-input-text',
					'input': ev => { this.wanted = ev.target.value.toLowerCase(); this.draw(); }
				}) ]),
				this.pause = node.button(_('Pause'), 'neutral', () => this.hold())
			]),
			this.count,
			this.list
		]);

		this.pause.setAttribute('aria-pressed', false);
		this.show(found[0]);
		node.live(() => this.paused ? Promise.resolve()
			: node.log(LINES).catch(() => ({ state: 'unknown' })).then(answer => this.show(answer)), POLL);

		return page;
	},

	hold: function() {
		this.paused = !this.paused;
		this.pause.setAttribute('aria-pressed', this.paused);
		node.text(this.pause, this.paused ? _('Go on') : _('Pause'));
	},

	/* Shows the lines of `answer`; of those that were there already, the nodes stay as they are. */
	show: function(answer) {
		const list = this.list;

		this.answer = answer;

		if (Array.isArray(answer.lines)) {
			const lines = answer.lines.slice(-LINES).map(String), shift = gone(this.lines, lines);

			for (let i = 0; i < shift; i++)
				list.appendChild(list.firstChild); // to be written anew at the end

			node.fit(list, lines.length, () => E('p', {}, [ E('time', {}, []), ' ', E('b', {}, []), ' ', E('span', {}, []) ]));
			lines.forEach((line, i) => this.write(list.childNodes[i], line));
			this.lines = lines;
		}

		this.draw();
		this.toEnd();
	},

	/* Scrolls to the newest line, unless somebody reads an older one. */
	toEnd: function() {
		if (this.follow)
			this.list.scrollTop = this.list.scrollHeight;
	},

	write: function(item, line) {
		if (item.line === line)
			return;

		const parts = parsed(line);

		item.line = line;
		item.level = LEVELS.indexOf(parts.level);
		item.className = 'kn-log-' + parts.level;
		node.text(item.querySelector('time'), parts.time);
		node.text(item.querySelector('b'), NAMES[parts.level]);
		node.text(item.querySelector('span'), parts.text);
	},

	draw: function() {
		let shown = 0;

		this.list.childNodes.forEach(item => {
			item.hidden = item.level < this.level || !item.line.toLowerCase().includes(this.wanted);
			shown += item.hidden ? 0 : 1;
		});

		node.text(this.count, !Array.isArray(this.answer.lines) ? _('The router did not answer. The page asks again every few seconds.')
			: !this.lines.length ? _('The log has no line of the node.')
			: _('%d of the last %d lines.').format(shown, this.lines.length));
	},

	handleSave: null,
	handleSaveApply: null,
	handleReset: null
});
