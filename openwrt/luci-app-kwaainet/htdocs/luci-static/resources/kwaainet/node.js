'use strict';
'require baseclass';
'require poll';
'require rpc';
'require uci';
'require ui';

/*
 * What the views share: the calls of the router's backend, figures as people write them, and changes
 * of UCI.
 *
 * Strings of an answer may come from strangers. They become text nodes: E() takes children in an
 * array, as a bare string is markup to it.
 */

const ROLLBACK = 10; // seconds that the router waits for `confirm` before it takes changes back

const call = (method, params) => rpc.declare({
	object: 'kwaainet',
	method: method,
	params: params || [],
	expect: { '': {} },
	reject: true
});

const apply = rpc.declare({
	object: 'uci',
	method: 'apply',
	params: [ 'timeout', 'rollback' ],
	reject: true
});

const confirm = rpc.declare({ object: 'uci', method: 'confirm', reject: true });

let notice = null, changed = Promise.resolve();

return baseclass.extend({
	overview: call('overview'),
	peers: call('peers'),
	log: call('log', [ 'lines' ]),
	check: call('check'),
	service: call('service', [ 'action' ]),

	/* Whether this session may change anything. */
	writable: () => L.hasViewPermission() === true,

	/* Calls `refresh`, which returns a promise, every `seconds` while somebody can see the page. */
	live: function(refresh, seconds) {
		const tick = () => document.hidden ? Promise.resolve() : refresh();

		poll.add(tick, seconds);
		document.addEventListener('visibilitychange', tick);
	},

	/*
	 * Has `edit` change UCI, then saves and applies it, one change after the other. Changes of other
	 * pages that wait in this session would be applied with it: then it waits beside them.
	 */
	change: function(edit) {
		return changed = changed.then(() => {
			uci.unload('kwaainet');

			return Promise.all([ uci.changes(), uci.load('kwaainet') ]);
		}).then(found => {
			const others = Object.keys(found[0]).length;

			edit();

			return uci.save().then(() => uci.changes()).then(staged => {
				if (others)
					return this.say(_('Saved. Other changes wait too: apply or revert all of them with "Unsaved Changes" above.'));

				// Another browser may have done the same; rpcd refuses to apply nothing.
				if (Object.keys(staged).length)
					return apply(ROLLBACK, true).then(() => confirm());
			});
		}).catch(error => this.say(error.message, 'error')).then(() => ui.changes.init());
	},

	/* The name of the first section of `type`, which is created if there is none. */
	section: function(type, name) {
		const found = uci.sections('kwaainet', type)[0];

		return found ? found['.name'] : uci.add('kwaainet', type, name);
	},

	/* Shows `text` above the page, in place of what was shown there before. */
	say: function(text, kind) {
		kind = kind || 'notice';

		if (!notice || !notice.isConnected || !notice.classList.contains(kind)) {
			if (notice)
				notice.remove();

			notice = ui.addNotification(null, E('p', {}, []), kind);
			notice.setAttribute('role', 'alert');
		}

		this.text(notice.querySelector('p'), text);
	},

	/* Asks before something that cuts people off; resolves to whether it is to be done. */
	ask: function(title, text, label) {
		return new Promise(done => {
			const button = (style, words, yes) => E('button', {
				'class': 'btn cbi-button ' + style,
				'click': () => { ui.hideModal(); done(yes); }
			}, [ words ]);

			const dialog = ui.showModal(title, [
				E('p', {}, [ text ]),
				E('div', { 'class': 'right button-row' }, [
					button('', _('Cancel'), false), ' ',
					button('cbi-button-negative important', label, true)
				])
			]);

			dialog.setAttribute('aria-label', title);
			dialog.querySelector('button').focus();
		});
	},

	button: (label, style, click) =>
		E('button', { 'class': 'btn cbi-button cbi-button-' + style, 'click': click }, [ label ]),

	/* Loads the stylesheet of the views; resolves in any case. */
	style: () => new Promise(done => document.head.appendChild(E('link', {
		'rel': 'stylesheet', 'href': L.resource('kwaainet/style.css'), 'load': done, 'error': done
	}))),

	/* Sets the text of `node`; the browser does nothing where it is the same. */
	text: function(node, text) {
		if (node.textContent !== String(text))
			node.textContent = text;
	},

	/* Makes `count` children of `parent`, by `make` where there are fewer. */
	fit: function(parent, count, make) {
		while (parent.childNodes.length > count)
			parent.lastChild.remove();

		while (parent.childNodes.length < count)
			parent.appendChild(make());

		return parent.childNodes;
	},

	words: value => value === undefined || value === null ? '' : String(value),

	number: value => +value > 0 ? Math.round(+value) : 0,

	bytes: function(value) {
		const units = [ 'B', 'KiB', 'MiB', 'GiB', 'TiB' ];
		let unit = 0;

		for (value = +value || 0; value >= 1000 && unit < units.length - 1; unit++)
			value /= 1024;

		return (unit && value < 100 ? value.toFixed(1) : value.toFixed(0)) + '\u00a0' + units[unit];
	},

	duration: function(seconds) {
		const s = Math.max(0, Math.round(+seconds || 0));

		if (s < 60)
			return _('%d s').format(s);

		if (s < 3600)
			return _('%d min').format(s / 60);

		if (s < 86400)
			return _('%d h %d min').format(s / 3600, s % 3600 / 60);

		return _('%d d %d h').format(s / 86400, s % 86400 / 3600);
	}
});
