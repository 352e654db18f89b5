'use strict';
'require kwaainet.node as node';
'require kwaainet.schema as schema';
'require uci';
'require view';

/* Who is connected, what each got and what it was refused; allow or deny with one click. */

const POLL = 5; // seconds
const PAGE = 50; // rows that are shown before somebody asks for more
const LISTS = { allow: 'allow_peers', deny: 'deny_peers' };

const WHY = {
	connection_failed: _('target did not answer'),
	malformed_message: _('malformed request'),
	no_reservation: _('target not reserved here'),
	permission_denied: _('not served here'),
	reservation_refused: _('no reservation free'),
	resource_limit_exceeded: _('no circuit free'),
	unexpected_message: _('unexpected request')
};

const moved = peer => node.number(peer.bytes_from) + node.number(peer.bytes_to);
const refusals = peer => Object.keys(L.isObject(peer.refusals) ? peer.refusals : {});
const refused = peer => refusals(peer).reduce((sum, why) => sum + node.number(peer.refusals[why]), node.number(peer.fragments_refused));
const short = id => id.length > 12 ? '\u2026' + id.slice(-8) : id; // ids begin alike

/* The id of the relay through which the peer is connected; "" where it is directly. */
const relay = peer => peer.direct ? '' : (node.words(peer.remote).match(/\/p2p\/([^/]+)\/p2p-circuit/) || [ '', '?' ])[1];

/* An address as people write it; another kind of address stays as it is. */
const place = remote => remote.replace(/^\/ip4\/([^/]+)\/tcp\/(\d+)$/, '$1:$2').replace(/^\/ip6\/([^/]+)\/tcp\/(\d+)$/, '[$1]:$2');

const why = peer => refusals(peer).map(reason =>
	'%d\u00d7 %s'.format(node.number(peer.refusals[reason]), Object.prototype.hasOwnProperty.call(WHY, reason) ? WHY[reason] : reason))
	.concat(peer.fragments_refused > 0 ? [ _('%d\u00d7 a piece of a file').format(node.number(peer.fragments_refused)) ] : []).join('; ');

// By column: title, what it sorts by, the text; figures begin with the largest.
const COLUMNS = [
	[ _('Peer'), peer => node.words(peer.peer_id), peer => short(node.words(peer.peer_id)) ],
	[ _('Agent'), peer => node.words(peer.agent), peer => node.words(peer.agent) || _('not said yet') ],
	[ _('From'), peer => node.words(peer.remote), peer => peer.direct ? place(node.words(peer.remote)) : _('through relay %s').format(short(relay(peer))) ],
	[ _('Age'), peer => +peer.age || 0, peer => node.duration(peer.age) ],
	[ _('Round trip'), peer => +peer.rtt || 0, peer => peer.rtt > 0 ? _('%d ms').format(Math.max(1, peer.rtt)) : '\u2013' ],
	[ _('Streams'), peer => node.number(peer.streams), peer => node.number(peer.streams) ],
	[ _('Relayed'), moved, peer => moved(peer) ? _('%s from, %s to it').format(node.bytes(peer.bytes_from), node.bytes(peer.bytes_to)) : '\u2013' ],
	[ _('Refused'), refused, peer => why(peer) || '\u2013' ]
];

const RELAYED = 6;

return view.extend({
	load: () => Promise.all([
		node.peers().catch(() => ({ state: 'unknown' })),
		L.resolveDefault(uci.load('kwaainet')),
		node.style()
	]),

	render: function(found) {
		this.rows = new Map(); // by peer id, those that are shown
		this.sort = { column: RELAYED, up: false };
		this.most = PAGE;
		this.wanted = '';
		this.readLists();

		this.count = E('p', { 'role': 'status' }, []);
		this.body = E('tbody', {}, []);
		this.more = node.button(_('Show more'), 'neutral', () => { this.most += PAGE; this.draw(); });
		this.listed = E('ul', { 'class': 'kn-listed' }, []);
		this.none = E('p', {}, []);
		this.heads = COLUMNS.map((column, i) => E('th', { 'class': 'th', 'scope': 'col' }, [
			E('button', { 'class': 'kn-sort', 'click': () => this.sortBy(i) }, [ column[0] ])
		]));
		this.order = E('select', { 'class': 'cbi-input-select', 'change': ev => this.sortBy(+ev.target.value) },
			COLUMNS.map((column, i) => E('option', { 'value': i }, [ column[0] ])));

		const page = E('div', { 'class': 'kn' }, [
			E('h2', {}, [ _('Peers') ]),
			this.count,
			E('div', { 'class': 'kn-filter' }, [
				E('label', {}, [ _('Search'), ' ', E('input', {
					'type': 'text', 'class': 'cbi-input-text',
					'input': ev => { this.wanted = ev.target.value.toLowerCase(); this.most = PAGE; this.draw(); }
				}) ]),
				E('label', { 'class': 'kn-narrow' }, [ _('Sort by'), ' ', this.order ])
			]),
			E('table', { 'class': 'table kn-peers' }, [
				E('caption', {}, [ _('Connected peers') ]),
				E('thead', {}, [ E('tr', { 'class': 'tr table-titles' }, this.heads.concat(node.writable()
					? E('th', { 'class': 'th', 'scope': 'col' }, [ _('May connect') ]) : [])) ]),
				this.body
			]),
			this.more,
			E('div', { 'class': 'cbi-section kn-section' }, [
				E('h3', {}, [ _('Allowed and denied') ]),
				E('p', {}, [ _('Allowed peers count as members of this network, and a private relay serves them. The connections of denied peers are refused, and those that are open end. Both hold until they are removed here.') ]),
				this.none,
				this.listed
			])
		]);

		this.show(found[0]);
		this.drawLists();
		node.live(() => node.peers().catch(() => ({ state: 'unknown' })).then(answer => this.show(answer)), POLL);

		return page;
	},

	/* --- the table --- */

	show: function(answer) {
		this.answer = answer;
		// By id, as a row is found by it.
		this.peers = Array.from(new Map((Array.isArray(answer.peers) ? answer.peers : []).filter(L.isObject)
			.map(peer => [ node.words(peer.peer_id), peer ])).values());
		this.draw(this.body.matches(':hover, :focus-within'));
	},

	sortBy: function(column) {
		// The same column again turns it round; figures begin with the largest.
		const figures = column > 2;

		this.sort = { column: column, up: this.sort.column == column ? !this.sort.up : !figures };
		this.draw();
	},

	/* Shows the peers anew. `held`: in the order of now, as somebody is about to click. */
	draw: function(held) {
		const places = new Map(held ? Array.from(this.rows.keys()).map((id, i) => [ id, i ]) : []);
		const place = peer => places.has(peer.peer_id) ? places.get(peer.peer_id) : places.size;
		const key = COLUMNS[this.sort.column][1], sign = this.sort.up ? 1 : -1;
		const found = this.peers.filter(peer => !this.wanted || COLUMNS.some(column =>
			(node.words(column[1](peer)) + node.words(column[2](peer))).toLowerCase().includes(this.wanted)));
		const keys = new Map(found.map(peer => [ peer, key(peer) ]));

		found.sort((a, b) => {
			const x = keys.get(a), y = keys.get(b);

			return place(a) - place(b) || (x < y ? -sign : x > y ? sign : 0);
		});

		this.heads.forEach((head, i) =>
			head.setAttribute('aria-sort', i != this.sort.column ? 'none' : this.sort.up ? 'ascending' : 'descending'));
		this.order.value = this.sort.column;
		this.fill(found.slice(0, this.most));
		this.more.hidden = found.length <= this.most;
		node.text(this.count, this.summary(found.length));
	},

	summary: function(found) {
		if (this.answer.state == 'unknown')
			return _('The router did not answer. The page asks again every few seconds.');

		if (this.answer.state != 'running')
			return _('The node does not run or does not answer; the overview says more.');

		const shown = Math.min(found, this.most), total = node.number(this.answer.total);

		return total == shown ? _('%d peers are connected.').format(total)
			: _('%d of %d connected peers are shown.').format(shown, total);
	},

	/* Shows `peers` in their order; the rows of those that were there are kept. */
	fill: function(peers) {
		const old = this.rows;

		this.rows = new Map();
		peers.forEach((peer, i) => {
			const id = node.words(peer.peer_id), row = old.get(id) || this.row(id), at = this.body.childNodes[i];

			old.delete(id);
			this.rows.set(id, row);
			this.update(row, peer);

			if (at !== row.node)
				this.body.insertBefore(row.node, at || null);
		});
		old.forEach(row => row.node.remove());
	},

	row: function(id) {
		const cells = COLUMNS.map((column, i) => E('td', { 'class': 'td kn-peer-%d'.format(i), 'data-title': column[0], 'title': i ? null : id }, []));
		const row = { cells: cells, buttons: {} };

		row.node = E('tr', { 'class': 'tr' }, cells.concat(node.writable()
			? E('td', { 'class': 'td kn-lists', 'data-title': _('May connect') }, this.buttons(row, id)) : []));

		return row;
	},

	buttons: function(row, id) {
		const button = (list, label) => row.buttons[list] = E('button', {
			'class': 'btn cbi-button kn-toggle',
			'click': ev => this.toggle(ev.currentTarget, list, id)
		}, [ label ]);

		return [ button('allow', _('Allow')), ' ', button('deny', _('Deny')) ];
	},

	update: function(row, peer) {
		const id = node.words(peer.peer_id);

		COLUMNS.forEach((column, i) => node.text(row.cells[i], column[2](peer)));

		for (let list in row.buttons) {
			const on = this.lists[list].includes(id), button = row.buttons[list];

			button.setAttribute('aria-pressed', on);
			button.setAttribute('aria-label', (list == 'allow'
				? on ? _('%s is allowed; remove it from the list') : _('Allow %s')
				: on ? _('%s is denied; remove it from the list') : _('Deny %s')).format(short(id)));
			node.text(button, list == 'allow' ? on ? _('Allowed') : _('Allow') : on ? _('Denied') : _('Deny'));
		}
	},

	/* --- the lists --- */

	readLists: function() {
		const section = uci.sections('kwaainet', 'relay')[0];

		this.lists = {};

		for (let list in LISTS)
			this.lists[list] = L.toArray(section && section[LISTS[list]]);
	},

	/* Puts peer `id` on `list`, or takes it off; it is on one of the two at most. */
	toggle: function(button, list, id) {
		const on = !this.lists[list].includes(id);

		button.disabled = true;

		return node.change(() => {
			const section = node.section('relay', 'relay');

			if (on && L.toArray(uci.get('kwaainet', section, LISTS[list])).length >= schema.maxItems)
				throw new Error(_('The list is full: it takes %d peers.').format(schema.maxItems));

			for (let name in LISTS) {
				const others = L.toArray(uci.get('kwaainet', section, LISTS[name])).filter(peer => peer != id);
				const peers = on && name == list ? others.concat(id) : others;

				uci.set('kwaainet', section, LISTS[name], peers.length ? peers : null);
			}
		}).then(() => {
			button.disabled = false;
			this.readLists();
			this.draw();
			this.drawLists();
		});
	},

	drawLists: function() {
		const titles = { allow: _('Allowed'), deny: _('Denied') };
		const entries = [ 'allow', 'deny' ].flatMap(list => this.lists[list].map(id => [ list, id ]));

		node.text(this.none, entries.length ? '' : _('No peer is allowed or denied by its id.'));
		node.fit(this.listed, entries.length, () => E('li', {}, [ E('strong', {}, []), ' ', E('code', {}, []), ' ',
			node.writable() ? node.button(_('Remove'), 'remove', ev => this.toggle(ev.currentTarget, ...ev.currentTarget.entry)) : '' ])).forEach((item, i) => {
			const button = item.querySelector('button');

			node.text(item.querySelector('strong'), titles[entries[i][0]]);
			node.text(item.querySelector('code'), entries[i][1]);

			if (button) {
				button.entry = entries[i];
				button.setAttribute('aria-label', _('Remove %s').format(short(entries[i][1])));
			}
		});
	},

	handleSave: null,
	handleSaveApply: null,
	handleReset: null
});
