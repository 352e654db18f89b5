'use strict';
'require baseclass';
'require dom';
'require poll';
'require request';
'require uci';
'require validation';

/*
 * Stands in for LuCI's ui.js: widgets of forms, dialogs, notifications, tabs and the staged changes,
 * in the documented interface and with its ids and classes. Its drop-down lists are plain <select>s.
 * No line is LuCI's.
 */

let self = null; /* the one instance */

const dismiss = () => document.querySelector('#modal_overlay')?.remove();

/* --- widgets --- */

const AbstractElement = baseclass.extend({
	options: {},

	/* Puts the field into its frame and has it validated at each change. */
	frame(kind, field, ...more) {
		const frame = this.node = E('div', { 'id': this.options.id, 'class': kind }, [field, ...more]);
		this.field = field;
		field.addEventListener('input', () => this.changed('widget-update'));
		field.addEventListener('change', () => this.changed('widget-change'));
		field.addEventListener('blur', () => this.triggerValidation());
		dom.bindClassInstance(frame, this);
		return frame;
	},

	attributes(more) {
		return {
			'id': `widget.${this.options.id}`,
			'name': this.options.id,
			'disabled': this.options.disabled ? '' : null,
			'placeholder': this.options.placeholder ?? null,
			...more,
		};
	},

	changed(event) {
		this.node.setAttribute('data-changed', 'true');
		this.triggerValidation();
		this.node.dispatchEvent(new CustomEvent(event, { bubbles: true }));
	},

	getValue() {
		return this.field.value;
	},

	setValue(value) {
		this.field.value = value;
	},

	texts() {
		return [this.getValue() ?? ''];
	},

	getValidationError() {
		for (const text of this.texts()) {
			const { datatype, optional, validate } = this.options;
			const wrong = validation.check(datatype, text, optional);
			if (wrong)
				return wrong;
		}
		const said = this.options.validate?.(this.getValue());
		return said === true || said == null ? '' : said || _('Invalid value');
	},

	isValid() {
		return this.triggerValidation();
	},

	isChanged() {
		return this.node.getAttribute('data-changed') === 'true';
	},

	triggerValidation() {
		const wrong = this.getValidationError();
		this.field.classList.toggle('cbi-input-invalid', !!wrong);
		this.node.querySelectorAll('.cbi-tooltip.error').forEach((each) => each.remove());
		if (wrong)
			this.node.append(E('div', { 'class': 'cbi-tooltip error', 'role': 'alert' }, [wrong]));
		this.field.setAttribute('data-tooltip', wrong);
		return !wrong;
	},

	blur() {
		this.field.blur();
	},
});

const Element = AbstractElement.extend({
	__init__(value, options) {
		this.value = value ?? '';
		this.options = options ?? {};
	},
});

const Textfield = Element.extend({
	render() {
		const type = this.options.password ? 'password' : 'text';
		const field = E('input', this.attributes({ 'type': type, 'class': 'cbi-input-text', 'value': this.value }));
		return this.frame('', field);
	},
});

const Textarea = Element.extend({
	render() {
		const { rows, wrap } = this.options;
		const field = E('textarea', this.attributes({ 'class': 'cbi-input-textarea', 'rows': rows, 'wrap': wrap }), [this.value]);
		return this.frame('', field);
	},
});

const Checkbox = Element.extend({
	render() {
		const { value_enabled: on = '1' } = this.options;
		const field = E('input', this.attributes({
			'type': 'checkbox', 'class': 'cbi-input-checkbox', 'checked': this.value === on ? '' : null,
		}));
		return this.frame('cbi-checkbox', field);
	},

	isChecked() {
		return this.field.checked;
	},

	getValue() {
		const { value_enabled: on = '1', value_disabled: off = '0' } = this.options;
		return this.isChecked() ? on : off;
	},

	setValue(value) {
		this.field.checked = value === (this.options.value_enabled ?? '1');
	},
});

const Select = AbstractElement.extend({
	__init__(value, choices, options) {
		this.value = value;
		this.choices = choices ?? {};
		this.options = options ?? {};
	},

	multiple: false,

	choose() {
		const chosen = L.toArray(this.value).map(String);
		const keys = Array.isArray(this.options.sort) ? this.options.sort : Object.keys(this.choices);
		const made = [...new Set([...keys, ...chosen])].map((key) => E('option', {
			'value': key, 'selected': chosen.includes(key) ? '' : null,
		}, [this.choices[key] instanceof Node ? this.choices[key].textContent : this.choices[key] ?? key]));
		if (this.options.optional && !this.multiple && !keys.includes(''))
			made.unshift(E('option', { 'value': '', 'selected': chosen.length ? null : '' },
				[this.options.placeholder ?? _('unspecified')]));
		return made;
	},

	render() {
		const field = E('select', this.attributes({
			'class': 'cbi-input-select', 'multiple': this.multiple ? '' : null, 'placeholder': null,
		}), this.choose());
		return this.frame('', field);
	},

	getValue() {
		const chosen = [...this.field.selectedOptions].map((option) => option.value);
		return this.multiple ? chosen : chosen[0] ?? null;
	},

	setValue(value) {
		const chosen = L.toArray(value).map(String);
		[...this.field.options].forEach((option) => { option.selected = chosen.includes(option.value); });
	},

	texts() {
		return this.multiple ? [] : [this.getValue() ?? ''];
	},
});

const Dropdown = Select.extend({
	__init__(value, choices, options) {
		this.super('__init__', [value, choices, options]);
		this.multiple = !!this.options.multiple;
	},
});

/* Choices, and whatever else is typed. */
const Combobox = Element.extend({
	__init__(value, choices, options) {
		this.super('__init__', [value, options]);
		this.choices = choices ?? {};
	},

	render() {
		const list = `list.${this.options.id}`;
		const keys = this.options.sort ?? Object.keys(this.choices);
		const { select_placeholder: hint } = this.options;
		const field = E('input', this.attributes({
			'type': 'text', 'class': 'cbi-input-text', 'list': list, 'value': this.value,
			'placeholder': hint instanceof Node ? hint.textContent : hint ?? null,
		}));
		const known = keys.map((key) => {
			const label = this.choices[key];
			return E('option', { 'value': key, 'label': label instanceof Node ? label.textContent : label });
		});
		return this.frame('', field, E('datalist', { 'id': list }, known));
	},
});

const DynamicList = AbstractElement.extend({
	__init__(values, choices, options) {
		this.values = L.toArray(values);
		this.choices = choices ?? {};
		this.options = options ?? {};
	},

	render() {
		const field = E('input', this.attributes({ 'type': 'text', 'class': 'cbi-input-text' }));
		const disabled = this.options.disabled ? '' : null;
		const add = E('button', { 'class': 'cbi-button cbi-button-add', 'disabled': disabled, 'aria-label': _('Add'), 'click': (ev) => {
			ev.preventDefault();
			this.take();
		} }, ['+']);
		field.addEventListener('keydown', (ev) => {
			if (ev.key === 'Enter') {
				ev.preventDefault();
				this.take();
			}
		});
		const frame = this.frame('cbi-dynlist', field, add);
		this.values.forEach((value) => this.put(value));
		return frame;
	},

	put(value) {
		const remove = E('button', { 'class': 'cbi-button', 'aria-label': _('Delete'), 'disabled': this.options.disabled ? '' : null, 'click': (ev) => {
			ev.preventDefault();
			ev.target.closest('.item').remove();
			this.changed('widget-change');
		} }, ['×']);
		this.field.before(E('div', { 'class': 'item', 'data-value': value }, [E('span', {}, [this.choices[value] ?? value]), remove]));
	},

	/* What was typed becomes an item, if it is right. */
	take() {
		const value = this.field.value.trim();
		if (!value || this.wrong(value))
			return;
		this.put(value);
		this.field.value = '';
		this.changed('widget-change');
	},

	wrong(value) {
		const said = validation.check(this.options.datatype, value, true) || this.options.validate?.(value);
		return said === true || !said ? '' : said;
	},

	getValue() {
		const items = [...this.node.querySelectorAll('.item')].map((item) => item.dataset.value);
		const typed = this.field.value.trim();
		return typed ? [...items, typed] : items;
	},

	setValue(values) {
		this.node.querySelectorAll('.item').forEach((item) => item.remove());
		L.toArray(values).forEach((value) => this.put(value));
	},

	getValidationError() {
		const items = this.getValue();
		if (!items.length && !this.options.optional)
			return _('Expecting: %s').format(_('non-empty value'));
		return items.map((item) => this.wrong(item)).find((said) => said) ?? '';
	},
});

const Hiddenfield = Element.extend({
	render() {
		return this.frame('', E('input', this.attributes({ 'type': 'hidden', 'value': this.value })));
	},
});

/* --- tabs: elements with data-tab become panes of a menu above them --- */

const tabs = baseclass.singleton({
	selected: {}, /* the tab of each group that was looked at last, by the names of all */

	initTabGroup(panes) {
		const found = [...panes].filter((each) => each.dataset?.tab);
		if (!found.length)
			return;
		const last = this.selected[found.map((each) => each.dataset.tab)];
		const first = found.find((each) => each.dataset.tab === last)
			?? found.find((each) => each.dataset.tabActive === 'true') ?? found[0];
		const items = found.map((pane) => E('li', { 'data-tab': pane.dataset.tab, 'class': 'cbi-tab-disabled' }, [
			E('a', { 'href': '#', 'click': (ev) => {
				ev.preventDefault();
				this.switchTab(pane);
			} }, [pane.dataset.tabTitle]),
		]));
		found[0].before(E('ul', { 'class': 'cbi-tabmenu' }, items));
		this.switchTab(first);
	},

	switchTab(pane) {
		for (const each of pane.parentNode.children)
			if (each.dataset.tab)
				each.dataset.tabActive = each === pane;
		const menu = pane.parentNode.querySelector(':scope > .cbi-tabmenu');
		this.selected[[...menu.children].map((each) => each.dataset.tab)] = pane.dataset.tab;
		for (const item of menu.children)
			item.className = item.dataset.tab === pane.dataset.tab ? 'cbi-tab' : 'cbi-tab-disabled';
		pane.dispatchEvent(new CustomEvent('cbi-tab-active', { detail: { tab: pane.dataset.tab } }));
	},

	/* Shows in the menu how many fields of a pane are wrong. */
	updateTabs(ev, root) {
		for (const item of (root ?? document).querySelectorAll('.cbi-tabmenu > li')) {
			const pane = item.parentNode.parentNode.querySelector(`:scope > [data-tab="${CSS.escape(item.dataset.tab)}"]`);
			const wrong = pane.querySelectorAll('.cbi-input-invalid').length;
			if (wrong)
				item.setAttribute('data-errors', wrong);
			else
				item.removeAttribute('data-errors');
		}
	},
});

/* --- what is staged --- */

const changes = baseclass.singleton({
	init() {
		return uci.changes().then((found) => {
			const count = Object.values(found).flat().length;
			if (count)
				self.showIndicator('uci-changes', `${_('Unsaved Changes')}: ${count}`, () => this.displayChanges());
			else
				self.hideIndicator('uci-changes');
		});
	},

	async ask(action, said) {
		const query = { sid: L.env.sessionid, token: L.env.token };
		const answer = await request.post(L.url('admin/uci', action), null, { query });
		if (!answer.ok)
			return self.addNotification(null, E('p', {}, [answer.text()]), 'danger');
		if (action === 'apply_rollback')
			await request.post(L.url('admin/uci/confirm'), null, { query: answer.json() });
		self.hideIndicator('uci-changes');
		self.showModal(null, [E('p', {}, [said])], 'alert-message', 'notice');
		setTimeout(dismiss, L.env.apply_display * 1000);
		document.dispatchEvent(new CustomEvent('uci-applied'));
	},

	apply(checked) {
		return this.ask(checked ? 'apply_rollback' : 'apply_unchecked', _('Configuration changes applied.'));
	},

	/* All that is staged, and the choice what becomes of it. */
	async displayChanges() {
		const found = await uci.changes();
		const lines = Object.entries(found).flatMap(([config, records]) => records.map((record) => E('li', {}, [
			E('code', {}, [`${config}: ${record.join(' ')}`]),
		])));
		const button = (kind, label, ...args) => E('button', {
			'class': `btn cbi-button cbi-button-${kind}`, 'click': self.createHandlerFn(this, ...args),
		}, [label]);
		return self.showModal(_('Configuration / Changes'), [E('ul', {}, lines), E('div', { 'class': 'right' }, [
			E('button', { 'class': 'btn', 'click': dismiss }, [_('Close')]), ' ',
			button('positive', _('Save & Apply'), 'apply', true), ' ',
			button('negative', _('Revert'), 'revert'),
		])]);
	},

	revert() {
		return this.ask('revert', _('Changes have been reverted.'));
	},
});

return baseclass.extend({
	__init__() {
		self = this;
		document.addEventListener('luci-loaded', () => changes.init());
		document.addEventListener('uci-loaded', () => changes.init());
	},

	AbstractElement, Textfield, Textarea, Checkbox, Select, Dropdown, Combobox, DynamicList, Hiddenfield,
	tabs, changes,

	showModal(title, children, ...classes) {
		dismiss();
		const dialog = E('div', { 'class': ['modal', ...classes].join(' '), 'role': 'dialog', 'aria-modal': 'true', 'aria-label': title }, [
			title == null ? '' : E('h4', {}, [title]),
		]);
		dialog.append(...(Array.isArray(children) ? children : [children]).filter((each) => each != null));
		document.body.append(E('div', { 'id': 'modal_overlay' }, [dialog]));
		return dialog;
	},

	hideModal: dismiss,

	addNotification(title, children, ...classes) {
		const note = E('div', { 'class': ['alert-message', 'fade-in', ...classes].join(' '), 'role': 'alert' }, [
			E('div', {}, [title == null ? '' : E('h4', {}, [title])]),
			E('button', { 'class': 'btn', 'click': () => note.remove() }, [_('Dismiss')]),
		]);
		dom.append(note.firstChild, Array.isArray(children) ? children : [children]);
		document.getElementById('maincontent').prepend(note);
		return note;
	},

	/* Each indicator is one of its name; a handler makes it a button. */
	showIndicator(name, label, handler) {
		this.hideIndicator(name);
		document.getElementById('indicators').append(E('span', { 'data-indicator': name, 'click': handler }, [label]));
		return true;
	},

	hideIndicator(name) {
		const found = document.querySelector(`#indicators > [data-indicator="${name}"]`);
		found?.remove();
		return !!found;
	},

	/* A button spins and takes no second click while what it started goes on. */
	createHandlerFn(context, handler, ...args) {
		const run = typeof handler === 'string' ? context[handler] : handler;
		return (ev) => {
			const button = ev.currentTarget;
			button.classList.add('spinning');
			button.disabled = true;
			const done = () => {
				button.classList.remove('spinning');
				button.disabled = false;
			};
			return Promise.resolve(run.call(context, ...args, ev)).finally(done);
		};
	},

	addValidator(field, datatype, optional, validate, ...events) {
		const check = () => {
			const wrong = validation.check(datatype, field.value, optional) || validate?.(field.value);
			field.classList.toggle('cbi-input-invalid', !!wrong && wrong !== true);
			return !wrong || wrong === true;
		};
		(events.length ? events : ['blur', 'keyup']).forEach((event) => field.addEventListener(event, check));
		return check;
	},

	itemlist(node, items, separators) {
		const found = [];
		for (let i = 0; i < items.length; i += 2)
			if (items[i + 1] != null)
				found.push(E('span', { 'class': 'nowrap' }, [items[i] ? E('strong', {}, [`${items[i]}: `]) : '', items[i + 1]]),
					separators?.[i / 2] ?? E('br'));
		dom.content(node, found.slice(0, -1));
		return node;
	},

	instantiateView(path) {
		return L.require(`view.${path.replaceAll('/', '.')}`).then(() => poll.start()).catch((error) => L.error(error));
	},
});
