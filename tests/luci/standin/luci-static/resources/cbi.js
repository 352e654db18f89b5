'use strict';
/* Stands in for LuCI's cbi.js: _(), N_() and String.format as documented there. No line is LuCI's. */

window._ = function (text) {
	return (window.TR && window.TR[text]) || text;
};

window.N_ = function (count, one, many) {
	return _(count == 1 ? one : many);
};

(function () {
	const entities = { '&': '&#38;', '<': '&#60;', '>': '&#62;', '"': '&#34;', "'": '&#39;' };
	const escaped = (value) => String(value).replace(/[&<>"']/g, (char) => entities[char]);
	const units = ['', 'K', 'M', 'G', 'T', 'P'];

	/* 1536 as "1.50 K": the width of %1024.2m is the step, its precision that of the result. */
	function metric(value, step, digits) {
		let unit = 0;
		for (step = +step || 1000; Math.abs(value) >= step && unit < units.length - 1; unit++)
			value /= step;
		return '%s %s'.format(value.toFixed(digits === undefined ? 2 : +digits), units[unit]);
	}

	/* Seconds as "1d 2h 3m 4s", without what is zero before the first. */
	function duration(seconds) {
		const parts = [];
		for (const [unit, size] of [['d', 86400], ['h', 3600], ['m', 60], ['s', 1]]) {
			const count = Math.floor(seconds / size);
			seconds -= count * size;
			if (count || parts.length || unit === 's')
				parts.push(count + unit);
		}
		return parts.join(' ');
	}

	const conversions = {
		s: (value) => String(value),
		d: (value) => String(Math.trunc(value) || 0),
		i: (value) => String(Math.trunc(value) || 0),
		u: (value) => String(Math.abs(Math.trunc(value)) || 0),
		f: (value, width, digits) => (+value).toFixed(digits === undefined ? 6 : +digits),
		x: (value) => Math.trunc(value).toString(16),
		X: (value) => Math.trunc(value).toString(16).toUpperCase(),
		o: (value) => Math.trunc(value).toString(8),
		b: (value) => Math.trunc(value).toString(2),
		c: (value) => String.fromCharCode(value),
		j: (value) => JSON.stringify(value),
		h: escaped,
		q: escaped,
		t: (value) => duration(+value),
		m: (value, width, digits) => metric(+value, width, digits),
	};

	String.prototype.format = function (...values) {
		let next = 0;
		return this.replace(/%(?:%|(-?)(0?)(\d*)(?:\.(\d+))?([a-zA-Z]))/g, (all, left, zero, width, digits, kind) => {
			if (kind === undefined)
				return '%';
			if (!(kind in conversions))
				return all;
			const value = values[next++];
			let text = conversions[kind](value, width, digits);
			if (kind === 's' && digits !== undefined)
				text = text.slice(0, +digits);
			if (kind !== 'm' && width)
				text = left ? text.padEnd(+width) : text.padStart(+width, zero ? '0' : ' ');
			return text;
		});
	};

	String.format = (text, ...values) => text.format(...values);
})();
