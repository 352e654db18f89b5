'use strict';
'require baseclass';
'require dom';
'require rpc';
'require uci';
'require ui';

/*
 * Stands in for LuCI's form.js: maps, sections and options in the documented interface, with its ids
 * and classes. As there: titles, descriptions and textvalue()s are HTML; a form without the right to
 * write is read-only; what is wrong is refused before anything is sent; an option that is not shown
 * is removed unless it is to be retained. No line is LuCI's.
 */

const access = rpc.declare({ object: 'session', method: 'access', params: ['scope', 'object', 'function'], expect: { access: false } });
const equal = (a, b) => JSON.stringify(a ?? null) === JSON.stringify(b ?? null);
const plain = (text) => E('div', {}, text ?? '').textContent.trim();
const isEmpty = (value) => value == null || value === '' || (Array.isArray(value) && !value.length);

const AbstractElement = baseclass.extend({
	__init__(title, description) {
		this.title = title ?? '';
		this.description = description ?? '';
		this.children = [];
	},

	append(child) {
		this.children.push(child);
	},

	stripTags: plain,

	titleFn(name, ...args) {
		const title = typeof this[name] === 'function' ? this[name](...args) : this[name];
		return title == null || title === '' ? null : plain(String(title).format(...args));
	},

	heading(level) {
		return [
			this.title ? E(level, {}, this.title) : null,
			this.description ? E('div', { 'class': 'cbi-section-descr' }, this.description) : null,
		];
	},
});

const Map = AbstractElement.extend({
	__init__(config, ...args) {
		this.super('__init__', args);
		this.config = config;
		this.parsechain = [config];
		this.data = uci;
		this.readonly = null;
	},

	chain(config) {
		this.parsechain.push(config);
	},

	section(kind, ...args) {
		const made = new kind(this, ...args);
		this.append(made);
		return made;
	},

	findElements(name, value) {
		const selector = value === undefined ? name : `[${name}="${CSS.escape(value)}"]`;
		return this.root.querySelectorAll(selector);
	},

	findElement(...args) {
		return this.findElements(...args)[0] ?? null;
	},

	async load() {
		const [granted] = await Promise.all([access('uci', this.config, 'write'), this.data.load(this.parsechain)]);
		if (!granted)
			this.readonly = true;
		return Promise.all(this.children.map((each) => each.load()));
	},

	parse() {
		return Promise.all(this.children.map((each) => each.parse()));
	},

	async save(callback, silent) {
		this.checkDepends();
		try {
			await this.parse();
			await callback?.();
			await this.data.save();
			await this.load();
		}
		catch (error) {
			if (!silent)
				ui.showModal(_('Save error'), [
					E('p', {}, [_('An error occurred while saving the form:')]),
					E('p', {}, [E('em', {}, [error.message])]),
					E('div', { 'class': 'right' }, [E('button', { 'class': 'cbi-button', 'click': ui.hideModal }, [_('Dismiss')])]),
				]);
			throw error;
		}
		return this.renderContents();
	},

	reset() {
		return this.renderContents();
	},

	render() {
		return this.load().then(() => this.renderContents());
	},

	async renderContents() {
		this.root ??= E('div', { 'id': `cbi-${this.config}`, 'class': 'cbi-map' });
		dom.bindClassInstance(this.root, this);
		const nodes = await Promise.all(this.children.map((each) => each.render()));
		dom.content(this.root, [
			this.title ? E('h2', { 'name': 'content' }, this.title) : null,
			this.description ? E('div', { 'class': 'cbi-map-descr' }, this.description) : null,
			...(this.tabbed ? [E('div', { 'class': 'cbi-map-tabbed' }, nodes)] : nodes),
		]);
		this.checkDepends();
		this.root.querySelectorAll('.cbi-map-tabbed, .cbi-section-node-tabbed')
			.forEach((group) => ui.tabs.initTabGroup(group.childNodes));
		ui.tabs.updateTabs(null, this.root);
		return this.root;
	},

	/* [option, section] of "option" or "config.section.option". */
	lookupOption(name, sid, config) {
		const id = name.includes('.') ? `cbid.${name}` : `cbid.${config ?? this.config}.${sid}.${name}`;
		const field = this.findElement('data-field', id);
		return field ? [dom.findClassInstance(field), id.split('.')[2]] : null;
	},

	checkDepends() {
		for (let turn = 0; turn < 10; turn++)
			if (!this.children.map((each) => each.checkDepends()).some((changed) => changed))
				break;
		ui.tabs.updateTabs(null, this.root);
	},

	isDependencySatisfied(depends, config, sid) {
		const met = (wanted) => Object.entries(wanted).every(([name, value]) => {
			if (name.startsWith('!'))
				return true;
			const [option, at] = this.lookupOption(name, sid, config) ?? [];
			const found = option?.isActive(at) ? option.formvalue(at) : null;
			return value instanceof RegExp ? found != null && value.test(found) : equal(found, value);
		});
		return !depends.length || depends.some((wanted) => met(wanted) !== !!wanted['!reverse']);
	},
});

/* --- sections --- */

const AbstractSection = AbstractElement.extend({
	__init__(map, type, ...args) {
		this.super('__init__', args);
		this.map = map;
		this.sectiontype = type;
		this.config = map.config;
		this.addremove = false;
		this.anonymous = false;
	},

	option(kind, ...args) {
		const made = new kind(this.map, this, ...args);
		this.append(made);
		return made;
	},

	tab(name, title, description) {
		(this.tabs ??= []).push({ name, title, description });
	},

	taboption(tab, ...args) {
		if (!this.tabs?.some((each) => each.name === tab))
			throw new ReferenceError('Associated tab not declared');
		const made = this.option(...args);
		made.tab = tab;
		return made;
	},

	filter: () => true,

	load() {
		return Promise.all(this.cfgsections().flatMap((sid) => this.children.map(async (option) => {
			option.cfgvalue(sid, await option.load(sid));
		})));
	},

	parse() {
		return Promise.all(this.cfgsections().flatMap((sid) => this.children.map((option) => option.parse(sid))));
	},

	getOption(name) {
		return this.children.find((option) => option.option === name) ?? null;
	},

	formvalue(sid, name) {
		return this.getOption(name)?.formvalue(sid) ?? null;
	},

	cfgvalue(sid, name) {
		return this.getOption(name)?.cfgvalue(sid) ?? null;
	},

	getUIElement(sid, name) {
		return this.getOption(name)?.getUIElement(sid) ?? null;
	},

	checkDepends() {
		return this.cfgsections().flatMap((sid) => this.children.map((option) => {
			const wanted = option.checkDepends(sid);
			return option.setActive(sid, wanted);
		})).some((changed) => changed);
	},

	/* The fields of a section, in panes if it has tabs. */
	async fields(sid, in_table) {
		const nodes = await Promise.all(this.children.map((option, i) => option.render(i, sid, in_table)));
		const frame = E('div', { 'id': `cbi-${this.config}-${sid}`, 'class': 'cbi-section-node', 'data-section-id': sid });
		if (!this.tabs)
			return dom.append(frame, nodes), frame;
		frame.classList.add('cbi-section-node-tabbed');
		for (const { name, title, description } of this.tabs) {
			const inside = nodes.filter((node, i) => this.children[i].tab === name);
			frame.append(E('div', { 'id': `container.${this.config}.${sid}.${name}`, 'data-tab': name, 'data-tab-title': title }, [
				description ? E('div', { 'class': 'cbi-tab-descr' }, description) : null,
				...inside,
			]));
		}
		return frame;
	},

	frame(kind, children) {
		const made = E('div', {
			'id': `cbi-${this.config}-${this.sectiontype}`, 'class': kind,
			'data-tab': this.map.tabbed ? this.sectiontype : null,
			'data-tab-title': this.map.tabbed ? this.title || this.sectiontype : null,
		}, children);
		dom.bindClassInstance(made, this);
		return made;
	},

	button(kind, label, handler, ...args) {
		return E('button', {
			'class': `btn cbi-button cbi-button-${kind}`, 'title': label,
			'click': ui.createHandlerFn(this, handler, ...args), 'disabled': this.map.readonly ? '' : null,
		}, [label]);
	},
});

const NamedSection = AbstractSection.extend({
	__name__: 'CBI.NamedSection',

	__init__(map, sid, type, ...args) {
		this.super('__init__', [map, type, ...args]);
		this.section = sid;
	},

	cfgsections() {
		return [this.section];
	},

	handleAdd() {
		this.map.data.add(this.config, this.sectiontype, this.section);
		return this.map.save(null, true);
	},

	handleRemove() {
		this.map.data.remove(this.config, this.section);
		return this.map.save(null, true);
	},

	async render() {
		const there = this.map.data.get(this.config, this.section);
		const change = !this.addremove ? null : there
			? E('div', { 'class': 'cbi-section-remove right' }, [this.button('remove', _('Delete'), 'handleRemove')])
			: this.button('add', _('Add'), 'handleAdd');
		return this.frame('cbi-section', [...this.heading('h3'), change, there ? await this.fields(this.section) : null]);
	},
});

const TypedSection = AbstractSection.extend({
	__name__: 'CBI.TypedSection',

	cfgsections() {
		return this.map.data.sections(this.config, this.sectiontype)
			.map((section) => section['.name']).filter((sid) => this.filter(sid));
	},

	handleAdd(ev, name) {
		this.map.data.add(this.config, this.sectiontype, name);
		return this.map.save(null, true);
	},

	handleRemove(sid) {
		this.map.data.remove(this.config, sid);
		return this.map.save(null, true);
	},

	renderSectionAdd() {
		if (!this.addremove)
			return null;
		const label = this.titleFn('addbtntitle') ?? _('Add');
		if (this.anonymous)
			return E('div', { 'class': 'cbi-section-create' }, [this.button('add', label, (ev) => this.handleAdd(ev))]);
		const name = E('input', { 'type': 'text', 'class': 'cbi-section-create-name', 'aria-label': _('Name') });
		const add = this.button('add', label, (ev) => /^\w+$/.test(name.value) && this.handleAdd(ev, name.value));
		return E('div', { 'class': 'cbi-section-create' }, [name, add]);
	},

	renderSectionPlaceholder() {
		return E('em', {}, [_('This section contains no values yet')]);
	},

	async render() {
		const found = this.cfgsections();
		const nodes = await Promise.all(found.map((sid) => this.fields(sid)));
		const body = nodes.flatMap((node, i) => [
			this.addremove ? E('div', { 'class': 'cbi-section-remove right' }, [
				this.button('remove', this.titleFn('removebtntitle', found[i]) ?? _('Delete'), 'handleRemove', found[i]),
			]) : null,
			this.anonymous ? null : E('h3', {}, [found[i].toUpperCase()]),
			node,
		]);
		return this.frame('cbi-section', [...this.heading('h3'), ...(found.length ? body : [this.renderSectionPlaceholder()]), this.renderSectionAdd()]);
	},
});

const TableSection = TypedSection.extend({
	__name__: 'CBI.TableSection',

	columns() {
		return this.children.filter((option) => !option.modalonly);
	},

	renderCell(option, i, sid) {
		return option.render(i, sid, true);
	},

	renderRowActions(sid) {
		return this.addremove ? [this.button('remove', this.titleFn('removebtntitle', sid) ?? _('Delete'), 'handleRemove', sid)] : [];
	},

	async renderRow(sid) {
		const cells = await Promise.all(this.columns().map((option, i) => this.renderCell(option, i, sid)));
		const title = this.titleFn('sectiontitle', sid) ?? (this.anonymous ? null : sid);
		return E('tr', { 'id': `cbi-${this.config}-${sid}`, 'class': 'tr cbi-section-table-row', 'data-sid': sid, 'data-section-id': sid, 'data-title': title }, [
			title ? E('td', { 'class': 'td cbi-section-table-cell' }, [title]) : null,
			...cells,
			E('td', { 'class': 'td cbi-section-table-cell nowrap cbi-section-actions' }, [E('div', {}, this.renderRowActions(sid))]),
		]);
	},

	async render() {
		const found = this.cfgsections();
		const rows = await Promise.all(found.map((sid) => this.renderRow(sid)));
		const named = this.sectiontitle || !this.anonymous;
		const head = E('tr', { 'class': 'tr cbi-section-table-titles' }, [
			named ? E('th', { 'class': 'th' }, [_('Name')]) : null,
			...this.columns().map((option) => E('th', { 'class': 'th cbi-section-table-cell' }, option.title)),
			E('th', { 'class': 'th cbi-section-actions', 'aria-label': _('Actions') }),
		]);
		const none = E('tr', { 'class': 'tr cbi-section-table-row placeholder' }, [E('td', { 'class': 'td', 'colspan': 99 }, [this.renderSectionPlaceholder()])]);
		return this.frame('cbi-section cbi-tblsection', [
			...this.heading('h3'),
			E('table', { 'class': 'table cbi-section-table' }, [head, ...(rows.length ? rows : [none])]),
			this.renderSectionAdd(),
		]);
	},
});

/* Rows of texts; all options of one are edited in a dialog. */
const GridSection = TableSection.extend({
	__name__: 'CBI.GridSection',

	async handleAdd(ev, name) {
		this.addedSection = this.map.data.add(this.config, this.sectiontype, name);
		return this.renderMoreOptionsModal(this.addedSection);
	},

	renderCell(option, i, sid) {
		if (option.editable)
			return option.render(i, sid, true);
		const value = option.textvalue(sid);
		return E('td', { 'class': 'td cbi-value-field', 'data-title': plain(option.title), 'data-name': option.option },
			value == null ? E('em', {}, [_('none')]) : value);
	},

	renderRowActions(sid) {
		const edit = this.button('edit', _('Edit'), 'renderMoreOptionsModal', sid);
		edit.disabled = false;
		return [edit, ...this.super('renderRowActions', [sid])];
	},

	addModalOptions() {},

	async renderMoreOptionsModal(sid) {
		const map = new Map(this.config, null, null);
		const section = map.section(NamedSection, sid, this.sectiontype);
		map.readonly = this.map.readonly;
		section.tabs = this.tabs;
		for (const option of this.children.filter((each) => each.modalonly !== false)) {
			const copy = Object.assign(Object.create(Object.getPrototypeOf(option)), option);
			Object.assign(copy, { map, section, data: {}, __running: {} });
			section.append(copy);
		}
		await this.addModalOptions(section, sid);
		const body = await map.render();
		const title = this.titleFn('modaltitle', sid) ?? sid;
		ui.showModal(title, [body, E('div', { 'class': 'right' }, [
			E('button', { 'class': 'btn', 'click': () => this.handleModalCancel() }, [_('Dismiss')]), ' ',
			E('button', {
				'class': 'btn cbi-button cbi-button-positive important', 'disabled': map.readonly ? '' : null,
				'click': ui.createHandlerFn(this, 'handleModalSave', map),
			}, [_('Save')]),
		])], 'cbi-modal');
	},

	handleModalCancel() {
		if (this.addedSection)
			this.map.data.remove(this.config, this.addedSection);
		delete this.addedSection;
		ui.hideModal();
	},

	async handleModalSave(map) {
		try {
			await map.save(null, true);
		}
		catch {
			return; /* the fields say why */
		}
		delete this.addedSection;
		ui.hideModal();
		await this.map.load();
		return this.map.reset();
	},

	parse() {
		return Promise.all(this.cfgsections().flatMap((sid) => this.children
			.filter((option) => option.editable && !option.modalonly).map((option) => option.parse(sid))));
	},

	checkDepends() {
		return false;
	},
});

/* --- options --- */

const Value = AbstractElement.extend({
	__name__: 'CBI.Value',

	__init__(map, section, option, ...args) {
		this.super('__init__', args);
		Object.assign(this, { map, section, option, config: map.config, deps: [], data: {}, rmempty: true, optional: false, default: null, retain: false });
	},

	depends(field, value) {
		this.deps.push(typeof field === 'string' ? { [field]: value } : field);
	},

	value(key, label) {
		(this.keylist ??= []).push(String(key));
		(this.vallist ??= []).push(label instanceof Node ? label : String(label ?? key));
	},

	choices() {
		return this.keylist ? Object.fromEntries(this.keylist.map((key, i) => [key, this.vallist[i]])) : null;
	},

	cbid(sid) {
		return `cbid.${this.uciconfig ?? this.config}.${sid}.${this.option}`;
	},

	place(sid) {
		return [this.uciconfig ?? this.config, this.ucisection ?? sid, this.ucioption ?? this.option];
	},

	load(sid) {
		return this.map.data.get(...this.place(sid));
	},

	cfgvalue(sid, value) {
		if (arguments.length === 2)
			this.data[sid] = value;
		return this.data[sid] ?? null;
	},

	getUIElement(sid) {
		const node = this.map.findElement('id', this.cbid(sid));
		const found = node && dom.findClassInstance(node);
		return found instanceof ui.AbstractElement ? found : null;
	},

	formvalue(sid) {
		return this.getUIElement(sid)?.getValue() ?? null;
	},

	textvalue(sid) {
		const value = this.cfgvalue(sid) ?? this.default;
		return value == null ? null : '%h'.format([].concat(value).join(' '));
	},

	validate: () => true,

	isValid(sid) {
		return this.getUIElement(sid)?.isValid() ?? true;
	},

	getValidationError(sid) {
		return this.getUIElement(sid)?.getValidationError() ?? '';
	},

	triggerValidation(sid) {
		return this.getUIElement(sid)?.triggerValidation() ?? true;
	},

	isActive(sid) {
		const field = this.map.findElement('data-field', this.cbid(sid));
		return !!field && !field.classList.contains('hidden');
	},

	setActive(sid, active) {
		const field = this.map.findElement('data-field', this.cbid(sid));
		if (!field || field.classList.contains('hidden') !== active)
			return false;
		field.classList.toggle('hidden', !active);
		return true;
	},

	checkDepends(sid) {
		return this.map.isDependencySatisfied(this.deps, this.uciconfig ?? this.config, sid);
	},

	/* Throws what is wrong with the value. */
	demandValid(sid) {
		const title = plain(this.title) || this.option;
		if (!this.isValid(sid))
			throw new TypeError(`${_('Option "%s" contains an invalid input value.').format(title)} ${this.getValidationError(sid)}`);
	},

	async parse(sid) {
		if (!this.isActive(sid))
			return this.retain ? null : this.remove(sid);
		this.demandValid(sid);
		const value = this.formvalue(sid);
		if (!isEmpty(value))
			return this.forcewrite || !equal(value, this.cfgvalue(sid)) ? this.write(sid, value) : null;
		if (!this.rmempty && !this.optional)
			throw new TypeError(_('Option "%s" must not be empty.').format(plain(this.title) || this.option));
		return this.remove(sid);
	},

	write(sid, value) {
		return this.map.data.set(...this.place(sid), value);
	},

	remove(sid) {
		return this.map.data.unset(...this.place(sid));
	},

	widgetOptions(sid) {
		return {
			id: this.cbid(sid), sort: this.keylist, datatype: this.datatype, placeholder: this.placeholder, password: this.password,
			optional: this.optional || this.rmempty, validate: (value) => this.validate(sid, value),
			disabled: this.readonly ?? this.map.readonly,
		};
	},

	renderWidget(sid, index, cfgvalue) {
		const value = [].concat(cfgvalue ?? this.default ?? []).join(' ');
		const choices = this.choices();
		const options = this.widgetOptions(sid);
		return (choices ? new ui.Combobox(value, choices, options) : new ui.Textfield(value, options)).render();
	},

	async render(index, sid, in_table) {
		const widget = await this.renderWidget(sid, index, this.cfgvalue(sid));
		const attributes = {
			'id': `cbi-${this.config}-${sid}-${this.option}`, 'data-field': this.cbid(sid), 'data-name': this.option,
			'data-widget': this.__name__, 'class': in_table ? '' : 'cbi-value',
		};
		const frame = E('div', attributes);
		const label = this.title ? E('label', { 'class': 'cbi-value-title', 'for': `widget.${this.cbid(sid)}` }, this.title) : null;
		if (in_table)
			dom.append(frame, widget);
		else
			dom.append(frame, [label, E('div', { 'class': 'cbi-value-field' }, [
				widget,
				this.description ? E('div', { 'class': 'cbi-value-description' }, this.description) : null,
			])]);
		if (in_table && widget.querySelector)
			widget.querySelector('input, select, textarea')?.setAttribute('aria-label', plain(this.title));
		frame.addEventListener('widget-change', (ev) => {
			this.map.checkDepends();
			this.onchange?.(ev, sid, this.formvalue(sid));
		});
		dom.bindClassInstance(frame, this);
		return in_table ? E('td', { 'class': 'td cbi-value-field', 'data-title': plain(this.title), 'data-name': this.option }, [frame]) : frame;
	},
});

const ListValue = Value.extend({
	__name__: 'CBI.ListValue',

	renderWidget(sid, index, cfgvalue) {
		const options = { ...this.widgetOptions(sid), optional: this.optional };
		return new ui.Select(cfgvalue ?? this.default, this.choices(), options).render();
	},
});

const Flag = Value.extend({
	__name__: 'CBI.FlagValue',

	__init__(...args) {
		this.super('__init__', args);
		Object.assign(this, { enabled: '1', disabled: '0', default: '0' });
	},

	renderWidget(sid, index, cfgvalue) {
		const options = { ...this.widgetOptions(sid), value_enabled: this.enabled, value_disabled: this.disabled };
		return new ui.Checkbox(cfgvalue ?? this.default, options).render();
	},

	textvalue(sid) {
		return (this.cfgvalue(sid) ?? this.default) === this.enabled ? _('Yes') : _('No');
	},

	/* What is the default is not written. */
	async parse(sid) {
		if (!this.isActive(sid))
			return this.retain ? null : this.remove(sid);
		this.demandValid(sid);
		const value = this.formvalue(sid);
		return value === this.default && (this.optional || this.rmempty) ? this.remove(sid) : this.write(sid, value);
	},
});

const DynamicList = Value.extend({
	__name__: 'CBI.DynamicList',

	renderWidget(sid, index, cfgvalue) {
		return new ui.DynamicList(cfgvalue ?? this.default, this.choices(), this.widgetOptions(sid)).render();
	},
});

const MultiValue = DynamicList.extend({
	__name__: 'CBI.MultiValue',

	renderWidget(sid, index, cfgvalue) {
		return new ui.Dropdown(cfgvalue ?? this.default, this.choices(), { ...this.widgetOptions(sid), multiple: true }).render();
	},
});

const TextValue = Value.extend({
	__name__: 'CBI.TextValue',

	renderWidget(sid, index, cfgvalue) {
		return new ui.Textarea(cfgvalue ?? this.default, { ...this.widgetOptions(sid), rows: this.rows }).render();
	},
});

const DummyValue = Value.extend({
	__name__: 'CBI.DummyValue',

	renderWidget(sid, index, cfgvalue) {
		const value = cfgvalue ?? this.default ?? '';
		return E('div', { 'id': this.cbid(sid) }, this.rawhtml ? value : ['%s'.format([].concat(value).join(' '))]);
	},

	parse() {},
	remove() {},
	write() {},
});

const ButtonValue = DummyValue.extend({
	__name__: 'CBI.ButtonValue',

	renderWidget(sid) {
		return E('button', {
			'class': `cbi-button cbi-button-${this.inputstyle ?? 'button'}`, 'disabled': this.readonly ?? this.map.readonly ? '' : null,
			'click': ui.createHandlerFn(this, (ev) => this.onclick?.(ev, sid)),
		}, [this.inputtitle ?? plain(this.title)]);
	},
});

const HiddenValue = Value.extend({
	__name__: 'CBI.HiddenValue',

	renderWidget(sid, index, cfgvalue) {
		return new ui.Hiddenfield(cfgvalue ?? this.default, this.widgetOptions(sid)).render();
	},
});

/* A section inside of another, as an option of it. */
const SectionValue = Value.extend({
	__name__: 'CBI.ContainerValue',

	__init__(map, section, option, kind, ...args) {
		this.super('__init__', [map, section, option]);
		this.subsection = new kind(map, ...args);
		this.subsection.parentoption = this;
	},

	load() {
		return this.subsection.load();
	},

	parse(sid) {
		return this.isActive(sid) ? this.subsection.parse() : null;
	},

	renderWidget() {
		return this.subsection.render();
	},

	checkDepends(sid) {
		this.subsection.checkDepends();
		return this.super('checkDepends', [sid]);
	},

	value() {},
	write() {},
	remove() {},
	cfgvalue: () => null,
	formvalue: () => null,
});

return baseclass.extend({
	Map, NamedSection, TypedSection, TableSection, GridSection, AbstractSection, AbstractElement, AbstractValue: Value,
	Value, ListValue, Flag, DynamicList, MultiValue, TextValue, DummyValue, Button: ButtonValue, HiddenValue, SectionValue,
});
