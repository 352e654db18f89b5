'use strict';
'require rpc';
'require view';

const overview = rpc.declare({
	object: 'kwaainet',
	method: 'overview',
});

return view.extend({
	load: function () {
		return overview();
	},

	render: function (node) {
		return E([], [
			E('h2', {}, [ _('KwaaiNet') ]),
			E('p', {}, [ '%s: %s'.format(_('State'), node.state) ]),
		]);
	},

	handleSave: null,
	handleSaveApply: null,
	handleReset: null,
});
