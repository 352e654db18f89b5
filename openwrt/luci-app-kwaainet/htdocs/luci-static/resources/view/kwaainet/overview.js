'use strict';
'require kwaainet.graph as graph';
'require kwaainet.node as node';
'require uci';
'require view';

/* What the node does, for whom, what it takes from the household and what it gave; its switches. */

const POLL = 10; // seconds; an answer holds the last five minutes
const DAY = 86400;
const STEPS = 60; // samples that a graph has room for
const DAYS = 14;

// The height in the band of the day, the name, and what people get of it.
const MODES = {
	full: [ 1, _('Full'), _('does all that this machine can') ],
	light: [ 0.75, _('Light'), _('does light work and relays') ],
	relay: [ 0.5, _('Relay'), _('relays for others') ],
	paused: [ 0.25, _('Paused'), _('keeps its reservations and relays nothing') ],
	unknown: [ 0, _('Not known'), '' ]
};
const SHOWN = Object.keys(MODES).slice(0, -1);

const STATES = {
	running: [ _('Running'), '' ],
	starting: [ _('Starting'), _('On a small router this takes up to a minute.') ],
	stopped: [ _('Stopped'), _('Nothing is relayed. Start it, or see in the log why it stopped.') ],
	disabled: [ _('Disabled'), _('It does not run, and will not run after a reboot. Enable it to take part.') ],
	hung: [ _('No answer'), _('The node runs but did not answer within 2 seconds. If that lasts, restart it and see the log.') ],
	unknown: [ _('Not known'), _('The router did not answer. The page asks again every few seconds.') ]
};

// By button: its style, its label, the states in which it makes sense.
const ACTIONS = {
	enable: [ 'positive', _('Enable and start'), [ 'disabled' ] ],
	start: [ 'positive', _('Start'), [ 'stopped' ] ],
	restart: [ 'neutral', _('Restart'), [ 'running', 'starting', 'hung' ] ],
	stop: [ 'negative', _('Stop'), [ 'running', 'starting', 'hung' ] ]
};

const list = value => Array.isArray(value) ? value : [];
const own = (table, key, otherwise) => Object.prototype.hasOwnProperty.call(table, key) ? key : otherwise;
const percent = value => '%d\u00a0%%'.format(value);
const rate = value => _('%s/s').format(node.bytes(value));
const count = value => node.number(value).toString();

/* A round figure of at least `value`, for the top of a graph. */
const round = value => Math.pow(2, Math.ceil(Math.log2(Math.max(value, 1024))));

const clock = ago => {
	const at = new Date(Date.now() - ago * 1000), two = n => String(n).padStart(2, '0');

	return two(at.getHours()) + ':' + two(at.getMinutes());
};

// By fact: its title and, where it is a text, the text of an answer.
const FACTS = {
	mode: [ _('Mode'), o => '%s: %s'.format(MODES[own(MODES, o.mode, 'unknown')][1], node.words(o.reason)) ],
	reach: [ _('From the internet') ],
	tier: [ _('Tier') ],
	limits: [ _('Now'), o => '%s, %s'.format(o.new_work ? _('takes new work') : _('takes no new work'),
		o.rate > 0 ? _('at most %s').format(rate(o.rate)) : _('no limit of the rate')) ],
	refused: [ _('Refused'), o => _('%d connections, %d requests to relay').format(
		node.number(o.refused.connections), node.number(o.refused.relay)) ],
	uptime: [ _('Running for'), o => _('%s, version %s').format(node.duration(o.uptime), node.words(o.version)) ],
	id: [ _('Peer id'), o => node.words(o.peer_id) ]
};

// By part of an answer: title, the keys of what is used and of what there is, how both are written.
const METERS = {
	reservations: [ _('Reservations'), 'held', 'max', count ],
	circuits: [ _('Circuits'), 'open', 'max', count ],
	connections: [ _('Connections'), 'open', 'max', count ],
	memory: [ _('Memory'), 'rss', 'limit', node.bytes ],
	cache: [ _('Disk of the cache'), 'bytes', 'size', node.bytes ]
};

const legend = (style, words) => E('span', {}, [ E('span', { 'class': 'kn-swatch ' + style }, []), words ]);

const section = (title, children) => E('div', { 'class': 'cbi-section kn-section' }, [ E('h3', {}, [ title ]) ].concat(children));

/* The blocks of the day's band, from [[seconds ago, mode]], oldest first. */
function stretches(day) {
	return day.map((change, i) => {
		const from = Math.min(node.number(change[0]), DAY), to = i + 1 < day.length ? Math.min(node.number(day[i + 1][0]), DAY) : 0;

		return { mode: own(MODES, change[1], 'unknown'), from: from, to: Math.min(to, from) };
	});
}

/*
 * Whether peers reach the node, in words, and what the owner can do about it. `open`: the firewall lets
 * them in; `opened`: only since a moment ago.
 */
function reach(o, open, opened) {
	const port = (list(o.listening).join(' ').match(/\/tcp\/(\d+)/) || [ 0, 4001 ])[1];

	if (o.reachable == 'public')
		return [ 'good', _('Reachable'), o.ports == 'mapped'
			? _('Peers reach this router through a port that the gateway in front of it forwards. Nothing to do.')
			: _('Peers reach this router from the internet. Nothing to do.') ];

	if (!open)
		return [ o.reachable == 'private' ? 'bad' : 'wait', o.reachable == 'private' ? _('Not reachable') : _('Not known yet'),
			_('The firewall keeps TCP port %d closed to the internet, so this node can relay for few.').format(port), true ];

	if (o.reachable == 'private' && !opened)
		return [ 'bad', _('Not reachable'),
			_('The port is open here, but another router or the provider stands in between. Forward TCP port %d to this router there, or ask for a public address. Until then other relays keep the node reachable.').format(port) ];

	return [ 'wait', _('Not known yet'), _('The port is open, and peers are finding out. That takes some minutes.') ];
}

return view.extend({
	load: function() {
		return Promise.all([
			this.ask(),
			L.resolveDefault(uci.load('kwaainet')),
			node.style()
		]);
	},

	ask: () => node.overview().catch(() => ({ state: 'unknown' })),

	render: function(found) {
		const parts = this.parts = {};
		const mark = (name, tag, style) => parts[name] = E(tag, { 'class': style || '' }, []);
		const facts = Object.keys(FACTS).flatMap(name => [ E('dt', {}, [ FACTS[name][0] ]), mark(name, 'dd') ]);

		this.open = /^(1|on|true|yes|enabled)$/.test(uci.get_first('kwaainet', 'kwaainet', 'open_port'));
		this.buttons = {};

		for (let action in ACTIONS)
			this.buttons[action] = node.button(ACTIONS[action][1], ACTIONS[action][0], ev => this.act(action, ev));

		parts.openPort = node.button(_('Open the port'), 'positive', ev => this.openPort(ev));
		parts.reach.append(mark('badge', 'strong'), ' ', mark('advice', 'span'), ' ', parts.openPort);
		parts.tier.append(mark('fit', 'span'), mark('why', 'ul', 'kn-why'));

		const page = E('div', { 'class': 'kn' }, [
			E('h2', {}, [ _('KwaaiNet') ]),
			E('div', { 'class': 'kn-head' }, [
				E('p', { 'class': 'kn-state', 'role': 'status' }, [ mark('dot', 'span', 'kn-dot'), mark('state', 'strong'), ' ', mark('does', 'span') ]),
				E('div', { 'class': 'kn-buttons' }, node.writable() ? Object.keys(ACTIONS).map(action => this.buttons[action]) : [])
			]),
			mark('next', 'p'),
			parts.check = E('div', { 'class': 'alert-message error', 'role': 'alert', 'hidden': '' }, [
				E('h4', {}, [ _('The configuration is refused') ]),
				mark('refusal', 'p', 'kn-mono'),
				E('p', {}, [ _('A node that runs keeps its last valid settings. Correct this under Settings.') ])
			]),
			parts.body = E('div', {}, [
				E('dl', { 'class': 'kn-facts' }, facts),
				this.buildDay(),
				this.buildTraffic(),
				this.buildUse(mark),
				this.buildDays()
			])
		]);

		this.show(found[0]);
		this.look();
		node.live(() => this.ask().then(answer => this.show(answer)), POLL);

		return page;
	},

	/* --- what is built once --- */

	buildDay: function() {
		this.band = graph.blocks(40, 'kn-band');
		this.parts.hours = E('div', { 'class': 'kn-axis', 'aria-hidden': 'true' }, []);
		this.parts.today = E('p', {}, []);

		return section(_('The last 24 hours'), [
			this.band.node,
			this.parts.hours,
			E('p', { 'class': 'kn-legend' }, SHOWN.map(mode =>
				legend('kn-mode-' + mode, '%s: %s'.format(MODES[mode][1], MODES[mode][2])))),
			this.parts.today
		]);
	},

	buildTraffic: function() {
		const figure = (name, title, keys) => {
			const parts = this.parts;

			return E('div', { 'class': 'kn-graph' }, [
				E('h4', {}, [ title ]),
				E('div', { 'class': 'kn-plot' }, [ parts[name + 'Top'] = E('span', { 'class': 'kn-top', 'aria-hidden': 'true' }, []), this[name].node ]),
				E('div', { 'class': 'kn-axis', 'aria-hidden': 'true' }, [ E('span', {}, [ _('5 min ago') ]), E('span', {}, [ _('now') ]) ]),
				E('p', { 'class': 'kn-legend' }, keys)
			]);
		};
		const key = (name, style, words) => {
			const node = legend(style, words + ' ');

			node.append(this.parts[name] = E('strong', {}, []));
			return node;
		};

		this.relayed = graph.lines([ 'kn-down', 'kn-up' ], STEPS);
		this.line = graph.lines([ 'kn-line' ], STEPS);

		return section(_('Traffic'), [ E('div', { 'class': 'kn-pair' }, [
			figure('relayed', _('Relayed bytes'), [
				key('down', 'kn-down', _('Down, to those who are called')),
				key('up', 'kn-up', _('Up, to those who call'))
			]),
			figure('line', _('Use of the line by the household'), [ key('others', 'kn-line', _('Others in the house')) ])
		]) ]);
	},

	buildUse: function(mark) {
		return section(_('In use'), Object.keys(METERS).map(name => {
			const title = METERS[name][0];

			return this.parts[name] = E('div', { 'class': 'kn-meter' }, [
				E('div', {}, [ title ]),
				E('div', { 'class': 'cbi-progressbar', 'role': 'meter', 'aria-label': title, 'aria-valuemin': 0, 'aria-valuemax': 100 }, [ E('div', {}, []) ])
			]);
		}).concat([ mark('short', 'p'), mark('saved', 'p') ]));
	},

	buildDays: function() {
		const names = [ _('Relayed'), _('From the cache, saved'), _('From the cache, fetched for it') ];
		const parts = this.parts;

		this.bars = graph.blocks(80, 'kn-days');

		return section(_('Contribution by day'), [
			E('div', { 'class': 'kn-plot' }, [ parts.barsTop = E('span', { 'class': 'kn-top', 'aria-hidden': 'true' }, []), this.bars.node ]),
			parts.dates = E('div', { 'class': 'kn-dates', 'aria-hidden': 'true' }, []),
			E('p', { 'class': 'kn-legend' }, names.map((name, i) => legend('kn-day-' + i, name))),
			parts.total = E('p', {}, []),
			E('details', {}, [
				E('summary', {}, [ _('Figures') ]),
				E('table', { 'class': 'table' }, [
					E('thead', {}, [ E('tr', { 'class': 'tr' }, [ _('Day') ].concat(names).map(name => E('th', { 'class': 'th', 'scope': 'col' }, [ name ]))) ]),
					parts.figures = E('tbody', {}, [])
				])
			])
		]);
	},

	/* --- what is shown anew with each answer --- */

	show: function(o) {
		const parts = this.parts, state = own(STATES, o.state, 'unknown'), running = state == 'running';
		const mode = MODES[own(MODES, o.mode, 'unknown')];

		parts.dot.className = 'kn-dot kn-is-' + (running && (o.mode == 'paused' || !o.new_work) ? 'paused' : state);
		node.text(parts.state, STATES[state][0]);
		node.text(parts.does, running ? mode[2] : '');
		node.text(parts.next, STATES[state][1]);
		parts.next.hidden = running;
		parts.body.hidden = !running;

		for (let action in ACTIONS)
			this.buttons[action].hidden = !ACTIONS[action][2].includes(state);

		if (this.state !== undefined && this.state != state)
			this.look();

		this.state = state;
		this.answer = o;
		o.refused = o.refused || {};

		if (!running)
			return;

		this.showFacts(o);
		this.showReach(o);
		this.showDay(list(o.day));
		this.showTraffic(o.samples || {}, o.line);
		this.showUse(o);
		this.showDays(list(o.days));
	},

	showFacts: function(o) {
		const parts = this.parts, why = list(o.why);

		for (let name in FACTS)
			if (FACTS[name][1])
				node.text(parts[name], FACTS[name][1](o));

		node.text(parts.fit, o.tier ? _('%d of 3, fit for %s').format(node.number(o.tier), node.words(o.fit)) : _('not looked at'));
		node.fit(parts.why, why.length, () => E('li', {}, [])).forEach((item, i) => node.text(item, why[i]));
	},

	showReach: function(o) {
		const parts = this.parts, found = reach(o, this.open, this.opened);

		parts.badge.className = 'kn-badge kn-' + found[0];
		node.text(parts.badge, found[1]);
		node.text(parts.advice, found[2]);
		parts.openPort.hidden = !found[3] || !node.writable();
	},

	showDay: function(day) {
		const found = stretches(day), spent = {};
		const blocks = found.map(s => {
			const height = MODES[s.mode][0];

			spent[s.mode] = (spent[s.mode] || 0) + s.from - s.to;
			return [ 1 - s.from / DAY, (s.from - s.to) / DAY, 1 - height, height, 'kn-mode-' + s.mode,
				'%s %s\u2013%s'.format(MODES[s.mode][1], clock(s.from), s.to ? clock(s.to) : _('now')) ];
		});
		const words = SHOWN.filter(mode => spent[mode]).map(mode => '%s %s'.format(MODES[mode][1], node.duration(spent[mode]))).join(', ');

		this.band.draw(blocks, _('Modes of the last 24 hours: %s').format(words));
		node.text(this.parts.today, words);
		node.fit(this.parts.hours, 5, () => E('span', {}, [])).forEach((hour, i) =>
			node.text(hour, i < 4 ? clock(DAY - i * DAY / 4) : _('now')));
	},

	showTraffic: function(samples, line) {
		const parts = this.parts;
		const down = list(samples.down).slice(-STEPS).map(node.number), up = list(samples.up).slice(-STEPS).map(node.number);
		const others = list(samples.line).slice(-STEPS).map(value => value >= 0 ? +value : -1);
		const most = round(Math.max(0, ...down, ...up)), last = values => values.length ? values[values.length - 1] : 0;
		const known = line !== null && line !== undefined || others.some(value => value >= 0);

		this.relayed.draw([ down, up ], most, _('Relayed in the last 5 minutes: now %s down and %s up').format(rate(last(down)), rate(last(up))));
		node.text(parts.relayedTop, rate(most));
		node.text(parts.down, rate(last(down)));
		node.text(parts.up, rate(last(up)));

		this.line.draw([ others ], 100, _('Use of the line by the household in the last 5 minutes'));
		node.text(parts.lineTop, percent(100));
		node.text(parts.others, known ? percent(Math.round(100 * (+line || 0))) : _('not measured: turn on "backoff" under Settings'));
	},

	showUse: function(o) {
		const parts = this.parts, cache = o.cache;

		for (let name in METERS) {
			const [ , used, most, written ] = METERS[name], part = o[name], bar = parts[name].lastChild;

			parts[name].hidden = !part;

			if (!part)
				continue;

			const full = Math.round(Math.min(100, 100 * node.number(part[used]) / (node.number(part[most]) || Infinity)));
			const words = '%s / %s'.format(written(part[used]), written(part[most]));

			bar.setAttribute('title', '%s (%s)'.format(words, percent(full)));
			bar.setAttribute('aria-valuenow', full);
			bar.setAttribute('aria-valuetext', words);
			bar.firstChild.style.width = full + '%';
		}

		parts.short.hidden = !o.memory || !o.memory.short;
		node.text(parts.short, _('The router is nearly out of memory: new work is refused.'));
		parts.saved.hidden = !cache;

		if (cache)
			node.text(parts.saved, _('The cache saved %s of the line: it gave %s to the house and fetched %s.')
				.format(node.bytes(cache.saved_bytes), node.bytes(cache.lan_bytes), node.bytes(cache.wan_bytes))
				+ (cache.trouble ? ' ' + _('Nothing new is kept: %s').format(cache.trouble) : ''));
	},

	showDays: function(days) {
		// What the cache gave is what it saved and what had to be fetched.
		const rows = days.slice(-DAYS).map(list).map(day => {
			const [ relayed, saved, given ] = day.slice(1).map(node.number);

			return [ node.words(day[0]), relayed || 0, saved || 0, Math.max(0, given - saved) || 0 ];
		});
		const sum = row => row[1] + row[2] + row[3], most = round(Math.max(0, ...rows.map(sum))), blocks = [], parts = this.parts;
		const newest = rows[rows.length - 1];
		const words = newest ? _('%s: %s relayed, %s given from the cache, which saved %s').format(newest[0],
			node.bytes(newest[1]), node.bytes(newest[2] + newest[3]), node.bytes(newest[2])) : _('Nothing yet.');

		rows.forEach((row, i) => {
			let top = 1;

			[ 1, 2, 3 ].forEach(series => {
				const height = row[series] / most;

				top -= height;
				blocks.push([ (i + 0.15) / rows.length, 0.7 / rows.length, top, height, 'kn-day-' + (series - 1), '%s: %s'.format(row[0], node.bytes(row[series])) ]);
			});
		});

		this.bars.draw(blocks, words);
		node.text(parts.barsTop, node.bytes(most));
		node.text(parts.total, words);
		node.fit(parts.dates, rows.length, () => E('span', {}, [])).forEach((date, i) => node.text(date, rows[i][0].slice(-2)));
		node.fit(parts.figures, rows.length, () => E('tr', { 'class': 'tr' }, [ 0, 1, 2, 3 ].map(i => E(i ? 'td' : 'th', i ? { 'class': 'td' } : { 'class': 'th', 'scope': 'row' }, [])))).forEach((line, i) =>
			line.childNodes.forEach((cell, j) => node.text(cell, j ? node.bytes(rows[i][j]) : rows[i][0])));
	},

	/* --- what people do --- */

	/* Looks whether the configuration is valid; at the start and when the state changes, as it takes time. */
	look: function() {
		return node.check().then(answer => {
			node.text(this.parts.refusal, answer.error || '');
			this.parts.check.hidden = answer.ok !== false;
		}).catch(() => {});
	},

	act: function(action, ev) {
		const button = ev.currentTarget, o = this.answer;
		const cut = _('%d circuits are open and %d peers hold reservations: they are cut off.').format(
			node.number((o.circuits || {}).open), node.number((o.reservations || {}).held));
		const sure = action == 'stop' ? node.ask(_('Stop the node?'), cut + ' ' + _('It starts again at the next boot.'), _('Stop'))
			: action == 'restart' ? node.ask(_('Restart the node?'), cut, _('Restart')) : Promise.resolve(true);

		return sure.then(yes => yes && this.busy(button, node.service(action).then(answer => {
			if (!answer.ok)
				node.say(answer.error || _('That did not work; the log says more.'), 'error');

			return this.ask().then(found => this.show(found));
		})));
	},

	openPort: function(ev) {
		return this.busy(ev.currentTarget, node.change(() =>
			uci.set('kwaainet', node.section('kwaainet', 'main'), 'open_port', '1')).then(() => {
				this.open = this.opened = uci.get_first('kwaainet', 'kwaainet', 'open_port') == '1';
				this.show(this.answer);
			}));
	},

	/* Holds `button` until `work` is done; what goes wrong is said. */
	busy: function(button, work) {
		button.disabled = true;
		button.classList.add('spinning');

		return work.catch(error => node.say(error.message, 'error')).then(() => {
			button.disabled = false;
			button.classList.remove('spinning');
		});
	},

	handleSave: null,
	handleSaveApply: null,
	handleReset: null
});
