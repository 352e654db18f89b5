'use strict';
/*
 * Stands in for LuCI's luci.js: classes, dom, poll, request, session, view and L, in the documented
 * interface and no more. No line is LuCI's. What is easily got wrong is as it is there:
 * - a child of E() that is a string is HTML, one in an array is text;
 * - a class of 'require' is loaded once, and what it returns is instantiated;
 * - a poll's next turn waits for the one before.
 */

(function () {
	const env = {};
	const classes = {};

	/* --- classes --- */

	const above = (proto, name) => {
		while (proto && !Object.hasOwn(proto, name))
			proto = Object.getPrototypeOf(proto);
		return proto;
	};

	class Class {
		constructor(...args) {
			this.__init__(...args);
		}

		__init__() {}

		/* The same method of the class above the one that runs. */
		super(name, args, ...more) {
			const running = this.__running ??= {};
			const before = running[name];
			const here = before ?? above(Object.getPrototypeOf(this), name);
			const next = above(Object.getPrototypeOf(here), name);
			if (!next)
				return null;
			if (typeof next[name] !== 'function' || arguments.length === 1)
				return next[name];
			running[name] = next;
			try {
				const given = args === null || typeof args !== 'object' ? [args, ...more] : args;
				return next[name].apply(this, given);
			}
			finally {
				running[name] = before;
			}
		}

		varargs(args, offset, ...first) {
			return [...first, ...Array.from(args).slice(offset)];
		}

		static extend(members) {
			const Made = class extends this {};
			for (const [name, value] of Object.entries(members))
				Object.defineProperty(Made.prototype, name, { value, writable: true, configurable: true });
			return Made;
		}

		static singleton(members, ...args) {
			return new (this.extend(members))(...args);
		}

		static instantiate(args) {
			return new this(...args);
		}

		static isSubclass(value) {
			return typeof value === 'function' && value.prototype instanceof this;
		}
	}

	/* --- the document --- */

	const DOM = Class.singleton({
		registry: new WeakMap(),

		elem(value) {
			return value instanceof Node;
		},

		parse(text) {
			return new DOMParser().parseFromString(text, 'text/html').body.firstChild;
		},

		matches(node, selector) {
			return node instanceof Element && node.matches(selector);
		},

		parent(node, selector) {
			return node instanceof Element ? node.closest(selector) : null;
		},

		append(node, children) {
			if (!this.elem(node))
				return null;
			if (typeof children === 'function')
				return this.append(node, children(node));
			if (this.elem(children))
				return node.appendChild(children);
			if (Array.isArray(children))
				children.filter((each) => each != null).forEach((each) => node.append(each));
			else if (children != null)
				node.innerHTML = String(children); /* as LuCI does */
			return node.lastChild;
		},

		content(node, children) {
			if (!this.elem(node))
				return null;
			node.textContent = '';
			return this.append(node, children);
		},

		attr(node, key, value) {
			const given = typeof key === 'string' ? { [key]: value } : key ?? {};
			for (const [name, each] of Object.entries(given)) {
				if (typeof each === 'function')
					node.addEventListener(name, each);
				else if (each != null)
					node.setAttribute(name, typeof each === 'object' ? JSON.stringify(each) : each);
			}
		},

		create(what, attributes, children) {
			if (!(attributes instanceof Object) || Array.isArray(attributes) || this.elem(attributes))
				[attributes, children] = [null, attributes];
			let made;
			if (Array.isArray(what)) {
				made = document.createDocumentFragment();
				what.forEach((each) => made.append(this.elem(each) ? each : this.create(each)));
			}
			else if (this.elem(what))
				made = what;
			else
				made = what.startsWith('<') ? this.parse(what) : document.createElement(what);
			if (made instanceof Element)
				this.attr(made, attributes);
			this.append(made, children);
			return made;
		},

		data(node, key, value) {
			if (value != null)
				this.registry.set(node, { ...this.registry.get(node), [key]: value });
			return this.registry.get(node)?.[key] ?? null;
		},

		bindClassInstance(node, instance) {
			return this.data(node, '_class', instance);
		},

		findClassInstance(node) {
			while (node && !this.data(node, '_class'))
				node = node.parentNode;
			return node ? this.data(node, '_class') : null;
		},

		callClassMethod(node, method, ...args) {
			const found = this.findClassInstance(node);
			return found && typeof found[method] === 'function' ? found[method](...args) : null;
		},

		isEmpty(node, ignore) {
			return [...node.children].every((each) => each.classList.contains('hidden') || ignore?.(each));
		},
	});

	/* --- requests and polls --- */

	class Response {
		constructor(status, statusText, text, url) {
			Object.assign(this, { status, statusText, url, ok: status >= 200 && status < 300 });
			this.text = () => text;
			this.json = () => JSON.parse(text);
		}
	}

	const Request = Class.singleton({
		async request(target, { method = 'GET', content, query, headers = {} } = {}) {
			let url = await target;
			let body = content;
			if (query) {
				const pairs = new URLSearchParams(query).toString();
				if (method.toUpperCase() === 'GET')
					url += (url.includes('?') ? '&' : '?') + pairs;
				else {
					body = pairs;
					headers = { 'Content-Type': 'application/x-www-form-urlencoded', ...headers };
				}
			}
			if (body instanceof Object && !(body instanceof FormData)) {
				body = JSON.stringify(body);
				headers = { 'Content-Type': 'application/json', ...headers };
			}
			const answer = await fetch(url, { method: method.toUpperCase(), body, headers });
			return new Response(answer.status, answer.statusText, await answer.text(), answer.url);
		},

		get(url, options) {
			return this.request(url, { method: 'GET', ...options });
		},

		post(url, content, options) {
			return this.request(url, { method: 'POST', content, ...options });
		},
	});

	const Poll = Class.singleton({
		queue: [],
		tick: 0,
		timer: null,

		add(fn, interval) {
			if (typeof fn !== 'function' || Number.isNaN(+interval))
				throw new TypeError('Invalid argument to LuCI.poll.add()');
			if (this.queue.some((entry) => entry.fn === fn))
				return false;
			this.queue.push({ fn, interval: Math.max(1, interval || env.pollinterval), ready: true });
			this.start();
			return true;
		},

		remove(fn) {
			const before = this.queue.length;
			this.queue = this.queue.filter((entry) => entry.fn !== fn);
			if (!this.queue.length)
				this.stop();
			return this.queue.length !== before;
		},

		start() {
			if (this.active() || !this.queue.length)
				return false;
			this.tick = 0;
			this.timer = setInterval(() => this.step(), 1000);
			this.step();
			document.dispatchEvent(new CustomEvent('poll-start'));
			return true;
		},

		stop() {
			if (!this.active())
				return false;
			clearInterval(this.timer);
			this.timer = null;
			document.dispatchEvent(new CustomEvent('poll-stop'));
			return true;
		},

		step() {
			for (const entry of this.queue)
				if (entry.ready && this.tick % entry.interval === 0) {
					entry.ready = false;
					Promise.resolve(entry.fn()).finally(() => { entry.ready = true; });
				}
			this.tick++;
		},

		active() {
			return this.timer !== null;
		},
	});

	const Session = Class.singleton({
		getID: () => env.sessionid,
		getToken: () => env.token,
		getLocalData: (key) => JSON.parse(sessionStorage.getItem(`luci.${key}`)),
		setLocalData(key, value) {
			sessionStorage.setItem(`luci.${key}`, JSON.stringify(value ?? null));
			return true;
		},
	});

	/* --- views --- */

	const maps = () => [...document.querySelectorAll('#maincontent .cbi-map')];

	const View = Class.extend({
		__init__() {
			const place = document.getElementById('view');
			return Promise.resolve(this.load())
				.then((loaded) => this.render(loaded))
				.then((nodes) => {
					DOM.content(place, nodes);
					DOM.append(place, this.addFooter());
				})
				.catch((error) => L.error(error));
		},

		load() {},
		render() {},

		handleSave() {
			return Promise.all(maps().map((map) => DOM.callClassMethod(map, 'save')));
		},

		handleSaveApply(ev, mode) {
			return this.handleSave(ev).then(() => classes.ui.changes.apply(mode == '0'));
		},

		handleReset() {
			return Promise.all(maps().map((map) => DOM.callClassMethod(map, 'reset')));
		},

		addFooter() {
			const found = maps().map((map) => DOM.findClassInstance(map));
			const readonly = found.length ? found.every((map) => map.readonly) : !L.hasViewPermission();
			const button = (name, kind, label, ...args) => this[name] ? E('button', {
				'class': `btn cbi-button cbi-button-${kind}`,
				'click': classes.ui.createHandlerFn(this, name, ...args),
				'disabled': readonly || null,
			}, [label]) : '';
			if (!this.handleSaveApply && !this.handleSave && !this.handleReset)
				return E([]);
			return E('div', { 'class': 'cbi-page-actions' }, [
				button('handleSaveApply', 'apply', _('Save & Apply'), '0'), ' ',
				button('handleSave', 'save', _('Save')), ' ',
				button('handleReset', 'reset', _('Reset')),
			]);
		},
	});

	Object.assign(classes, {
		baseclass: Class, dom: DOM, poll: Poll, request: Request, session: Session, view: View,
	});

	/* --- L --- */

	class LuCI {
		constructor(given) {
			Object.assign(env, given);
			this.env = env;
			document.addEventListener('DOMContentLoaded', () => {
				Promise.all(['ui', 'rpc', 'uci', 'form'].map((name) => this.require(name)))
					.then(() => document.dispatchEvent(new CustomEvent('luci-loaded')))
					.catch((error) => this.error(error));
			});
		}

		require(name) {
			if (!classes[name])
				classes[name] = this.load(name).then((made) => {
					let place = this;
					const parts = name.split('.');
					for (const part of parts.slice(0, -1))
						place = place?.[part];
					if (place)
						place[parts.at(-1)] = made;
					return (classes[name] = made);
				});
			return Promise.resolve(classes[name]);
		}

		async load(name) {
			const url = `${env.resource}/${name.replaceAll('.', '/')}.js`;
			const answer = await Request.get(url);
			if (!answer.ok)
				this.raise('NetworkError', 'HTTP error %d while loading class file "%s"', answer.status, url);
			const source = answer.text();
			const names = [], found = [];
			for (const line of source.split('\n')) {
				const wanted = line.match(/^'require (\S+?)(?: as (\w+))?';/);
				if (wanted) {
					names.push(wanted[2] ?? wanted[1].replace(/\W/g, '_'));
					found.push(this.require(wanted[1]));
				}
				else if (/^\S/.test(line) && !/^('use strict'|\/\*|\*|\/\/)/.test(line))
					break;
			}
			const made = new Function('window', 'document', 'L', ...names, `${source}\n//# sourceURL=${url}`)(
				window, document, this, ...await Promise.all(found));
			if (!Class.isSubclass(made))
				this.raise('TypeError', '"%s" factory yields invalid constructor', name);
			return new made();
		}

		raise(type, text, ...values) {
			if (type instanceof Error)
				throw type;
			const error = new (window[type] ?? Error)(String(text ?? type).format(...values));
			error.name = type;
			throw error;
		}

		error(type, text, ...values) {
			try {
				this.raise(type, text, ...values);
			}
			catch (error) {
				const said = E('pre', {}, [String(error.message)]);
				if (classes.ui?.addNotification)
					classes.ui.addNotification(error.name, said, 'danger');
				else
					DOM.content(document.getElementById('maincontent'), said);
				throw error;
			}
		}

		bind(fn, self, ...args) {
			return fn.bind(self, ...args);
		}

		url(...parts) {
			return [env.scriptname, ...parts].join('/');
		}

		resource(...parts) {
			return [env.resource, ...parts].join('/');
		}

		media(...parts) {
			return [env.media, ...parts].join('/');
		}

		isObject(value) {
			return value !== null && typeof value === 'object';
		}

		toArray(value) {
			if (value == null)
				return [];
			if (this.isObject(value))
				return Array.isArray(value) ? value : [value];
			return String(value).trim().split(/\s+/).filter((word) => word);
		}

		sortedKeys(object, key) {
			const by = (name) => key == null ? name : object[name][key];
			return Object.keys(object ?? {}).sort((a, b) => this.naturalCompare(by(a), by(b)));
		}

		naturalCompare(a, b) {
			return new Intl.Collator(undefined, { numeric: true }).compare(a, b);
		}

		resolveDefault(value, otherwise) {
			return Promise.resolve(value).catch(() => otherwise);
		}

		hasViewPermission() {
			return env.nodespec?.satisfied ? !env.nodespec.readonly : null;
		}

		hasSystemFeature() {
			return false;
		}
	}

	Object.assign(LuCI.prototype, { dom: DOM, view: View, Poll, Request, Class });
	window.E = DOM.create.bind(DOM);
	window.LuCI = LuCI;
})();
