'use strict';
'require baseclass';

/* Stands in for LuCI's validation.js: the data types that are in use here, by their documented names. */

const integer = (text) => /^-?\d+$/.test(text);
const number = (text) => /^-?\d+(\.\d+)?$/.test(text);

const types = {
	string: () => true,
	integer,
	uinteger: (text) => integer(text) && +text >= 0,
	float: number,
	ufloat: (text) => number(text) && +text >= 0,
	bool: (text) => /^(0|1|yes|no|true|false|on|off|enabled|disabled)$/.test(text),
	port: (text) => integer(text) && +text >= 0 && +text <= 65535,
	range: (text, low, high) => number(text) && +text >= +low && +text <= +high,
	min: (text, low) => number(text) && +text >= +low,
	max: (text, high) => number(text) && +text <= +high,
	minlength: (text, least) => text.length >= +least,
	maxlength: (text, most) => text.length <= +most,
	rangelength: (text, least, most) => text.length >= +least && text.length <= +most,
	macaddr: (text) => /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(text),
	uciname: (text) => /^\w+$/.test(text),
	or: (text, ...each) => each.some((type) => valid(type, text)),
	and: (text, ...each) => each.every((type) => valid(type, text)),
	list: (text, type) => text.split(/\s+/).every((word) => valid(type, word)),
};

/* Splits "a, range(1, 2)" at its outer commas. */
function split(text) {
	const parts = [];
	let depth = 0;
	let part = '';
	for (const char of text) {
		depth += (char === '(') - (char === ')');
		if (char === ',' && !depth) {
			parts.push(part.trim());
			part = '';
		}
		else
			part += char;
	}
	return part.trim() ? [...parts, part.trim()] : parts;
}

function valid(type, text) {
	const [, name, args] = /^(\w+)(?:\((.*)\))?$/.exec(type) ?? [];
	if (!types[name])
		throw new Error('No such data type in the stand-in: ' + type);
	return types[name](text, ...split(args ?? ''));
}

return baseclass.extend({
	/* The error of a text, or "". */
	check(type, text, optional) {
		if (text === '')
			return optional ? '' : _('Expecting: %s').format(_('non-empty value'));
		return !type || valid(type, text) ? '' : _('Expecting: %s').format(type);
	},
});
