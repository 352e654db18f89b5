'use strict';
'require baseclass';
'require kwaainet.schema as schema';

// The kinds of option, as edge/config has them in kinds.py and address_rules.py: what the node would
// refuse, the form refuses in the node's words. Each check returns true, false for what the kind
// expects, or a sentence that says it better. Texts are counted in characters, as Python does.

const UNITS = {
	integer: { '': 1 },
	mark: { '': 1 },
	size: { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 },
	duration: { '': 1, s: 1, m: 60, h: 3600, d: 86400 },
};
const BOOLS = {
	1: '1', yes: '1', true: '1', on: '1', enabled: '1',
	0: '0', no: '0', false: '0', off: '0', disabled: '0',
};

/* --- texts, as the node shows them --- */

const cut = (text, limit) => Array.from(text).slice(0, limit).join('');
const printable = (text) => !/[\p{C}\p{Z}]/u.test(text.replace(/ /g, ''));
const ascii = (text) => !/[^\0-\x7f]/.test(text);

function hex(char) {
	const code = char.codePointAt(0), digits = code.toString(16);

	return code < 0x100 ? '\\x' + digits.padStart(2, '0')
		: code < 0x10000 ? '\\u' + digits.padStart(4, '0') : '\\U' + digits.padStart(8, '0');
}

const NAMED = { '\n': '\\n', '\r': '\\r', '\t': '\\t', '\\': '\\\\' };

function escape(text, limit) {
	const chars = Array.from(text);

	return chars.slice(0, limit).map((char) => NAMED[char] || (char == '"' ? '\\"'
		: char >= ' ' && char <= '~' ? char : hex(char))).join('') + (chars.length > limit ? '...' : '');
}

// Python's repr() of a text, or of bytes given as one character each.
function repr(text, plain = printable) {
	const quote = text.includes("'") && !text.includes('"') ? '"' : "'";

	return quote + Array.from(text).map((char) => NAMED[char]
		|| (char == quote ? '\\' + char : plain(char) ? char : hex(char))).join('') + quote;
}

const shown = (value) => Array.isArray(value)
	? '[' + value.slice(0, 3).map(shown).concat(value.length > 3 ? '...' : []).join(', ') + ']'
	: '"' + escape(value, 80) + '"';

/* --- numbers --- */

function number(kind, text) {
	if (kind == 'mark' && /^0x[0-9a-fA-F]{1,8}$/.test(text))
		return parseInt(text, 16);

	const found = /^([0-9]{1,18})([A-Za-z]?)$/.exec(text);

	return found ? found[1] * UNITS[kind][found[2]] : NaN;
}

function inRange(option, text) {
	const [ low, high ] = option.range.split(' to ').map((bound) => number(option.kind, bound));
	const found = option.zero && text == option.zero ? 0 : number(option.kind, text);

	return found >= low && found <= high || !!option.zero && found === 0;
}

/* --- bytes: base 58 of peer ids, base 32 of CIDs, base 64 of certificates' hashes --- */

const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567';
const BASE64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const BASE58 = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz';

class Refused extends Error {}

function refuse(problem) {
	throw new Refused(problem);
}

// What `parse` says of `text`: true, or why it is refused.
function attempt(parse, text) {
	try {
		parse(text);
		return true;
	}
	catch (error) {
		if (error instanceof Refused)
			return error.message;

		throw error;
	}
}

function digit(char, alphabet) {
	const found = alphabet.indexOf(char);

	return found < 0 ? refuse(`${repr(char)} is not a base${alphabet.length} character`) : found;
}

function base58(text) {
	const bytes = []; // the last one first

	for (const char of text.replace(/^1+/, '')) {
		let carry = digit(char, BASE58);

		for (let i = 0; i < bytes.length || carry; i++) {
			carry += (bytes[i] || 0) * 58;
			bytes[i] = carry & 255;
			carry >>= 8;
		}
	}

	return Array(/^1*/.exec(text)[0].length).fill(0).concat(bytes.reverse());
}

function base2(text, alphabet) {
	const width = alphabet.length == 32 ? 5 : 6, bytes = [];
	let held = 0, bits = 0;

	for (const char of text) {
		held = held << width | digit(char, alphabet);
		bits += width;
		if (bits >= 8) {
			bits -= 8;
			bytes.push(held >> bits);
			held &= (1 << bits) - 1;
		}
	}

	return held || bits >= width ? refuse(`base${alphabet.length} text is cut short`) : bytes;
}

function multihash(text) {
	let bytes;

	if (text[0] == '1' || text.startsWith('Qm')) {
		bytes = base58(text);
	}
	else if (text[0] == 'b') {
		bytes = base2(text.slice(1), BASE32);
		if (bytes[0] != 1 || bytes[1] != 0x72)
			refuse('the CID is not a version 1 libp2p-key');
		bytes = bytes.slice(2);
	}
	else {
		refuse('it starts with neither 12D3, Qm nor bafz');
	}

	if (bytes.length < 3 || bytes[1] != bytes.length - 2)
		refuse('peer id is not a multihash');
	if (bytes[0] ? bytes[0] != 0x12 || bytes.length != 34 : bytes.length > 44)
		refuse(bytes[0] ? 'peer id is neither an inlined key nor a SHA-256' : 'peer id longer than 44 bytes');

	return bytes;
}

function peerId(text) {
	if (Array.from(text).length > 80)
		refuse(`peer id longer than 80 characters: ${repr(cut(text, 16))}...`);

	const why = attempt(multihash, text);

	return why === true ? multihash(text) : refuse(`not a peer id: ${repr(text)}: ${why}`);
}

/* --- IP addresses as bytes --- */

const decimal = (text) => /^(0|[1-9][0-9]{0,19})$/.test(text) ? +text : -1;

function ip4(text) {
	const parts = text.split('.').map(decimal);

	return parts.length == 4 && parts.every((part) => part >= 0 && part < 256)
		? parts : refuse(`not an IPv4 address: ${repr(cut(text, 40))}`);
}

function ip6(text) {
	const wrong = () => refuse(`not an IPv6 address: ${repr(cut(text, 50))}`);
	const at = text.indexOf('::'), tail = at < 0 ? '' : text.slice(at + 2);
	const groups = (half, last) => half ? half.split(':').flatMap((part, i, all) =>
		last && i == all.length - 1 && part.includes('.') ? ip4(part)
			: /^[0-9a-fA-F]{1,4}$/.test(part) ? [ parseInt(part, 16) >> 8, parseInt(part, 16) & 255 ]
			: wrong()) : [];

	if (text.length > 45 || tail.includes('::'))
		wrong();

	const before = groups(at < 0 ? text : text.slice(0, at), at < 0), after = groups(tail, true);
	const missing = 16 - before.length - after.length;

	return (at < 0 ? missing : missing < 2) ? wrong() : [ ...before, ...Array(missing).fill(0), ...after ];
}

// Address blocks by their leading bytes and number of bits; the first that fits counts.
const SCOPES4 = [
	[ 'example', 24, 192, 0, 2 ], [ 'example', 24, 198, 51, 100 ], [ 'example', 24, 203, 0, 113 ],
	[ 'reserved', 8, 0 ], [ 'private', 8, 10 ], [ 'private', 10, 100, 64 ], [ 'loopback', 8, 127 ],
	[ 'link', 16, 169, 254 ], [ 'private', 12, 172, 16 ], [ 'reserved', 24, 192, 0, 0 ],
	[ 'reserved', 24, 192, 88, 99 ], [ 'private', 16, 192, 168 ], [ 'reserved', 15, 198, 18 ],
	[ 'reserved', 3, 224 ], [ 'public', 0 ],
];
const SCOPES6 = [
	[ 'example', 32, 0x20, 1, 0xd, 0xb8 ], [ 'example', 20, 0x3f, 0xff, 0 ],
	[ 'loopback', 128, ...Array(15).fill(0), 1 ], [ 'embedded', 96, 0, 0x64, 0xff, 0x9b, ...Array(8).fill(0) ],
	[ 'embedded', 16, 0x20, 2 ], [ 'reserved', 23, 0x20, 1, 0 ], [ 'public', 3, 0x20 ], [ 'private', 7, 0xfc ],
	[ 'link', 10, 0xfe, 0x80 ], [ 'private', 48, 0, 0x64, 0xff, 0x9b, 0, 1 ], [ 'reserved', 0 ],
];

function scope(ip) {
	const fits = ([ , bits, ...prefix ]) => prefix.every((byte, i) =>
		!((byte ^ ip[i]) >> Math.max(0, 8 * i + 8 - bits)));
	const found = (ip.length == 4 ? SCOPES4 : SCOPES6).find(fits)[0];

	if (found != 'embedded')
		return found;

	return scope(ip[0] ? ip.slice(2, 6) : ip.slice(12)) == 'public' ? 'public' : 'reserved';
}

/* --- multiaddrs --- */

const port = (text, name) => {
	const found = decimal(text);

	return found >= 0 && found < 65536 ? [ found >> 8, found & 255 ]
		: refuse(`${name} needs a port from 0 to 65535, not ${repr(cut(text, 40))}`);
};
const raw = (text, name, size) => {
	if (text[0] != 'u')
		refuse(`${name} is read in base64url only, as u...`);

	const bytes = base2(text.slice(1), BASE64);

	return size < 0 || bytes.length == size ? bytes
		: refuse(`${name} needs ${size} bytes, not ${bytes.length}`);
};
const text = (value) => Array.from(new TextEncoder().encode(value));

// name: bytes of its code, bytes of its value (-1: a length goes before it), reader of its text
const PROTOCOLS = new Map([
	[ 'ip4', [ 1, 4, ip4 ] ], [ 'ip6', [ 1, 16, ip6 ] ],
	[ 'tcp', [ 1, 2, port ] ], [ 'dccp', [ 1, 2, port ] ], [ 'sctp', [ 2, 2, port ] ], [ 'udp', [ 2, 2, port ] ],
	[ 'p2p', [ 2, -1, peerId ] ], [ 'ipfs', [ 2, -1, peerId ] ], [ 'sni', [ 2, -1, text ] ],
	[ 'ipcidr', [ 1, 1, raw ] ], [ 'onion', [ 2, 12, raw ] ], [ 'onion3', [ 2, 37, raw ] ], [ 'memory', [ 2, 8, raw ] ],
]);
for (const name of [ 'ip6zone', 'dns', 'dns4', 'dns6', 'dnsaddr' ])
	PROTOCOLS.set(name, [ 1, -1, text ]);
for (const name of [ 'unix', 'garlic64', 'garlic32', 'certhash', 'http-path' ])
	PROTOCOLS.set(name, [ 2, -1, raw ]);
for (const name of [ 'p2p-webrtc-star', 'p2p-webrtc-direct', 'p2p-stardust', 'webrtc-direct', 'webrtc',
	'p2p-circuit', 'udt', 'utp', 'https', 'tls', 'noise', 'quic', 'quic-v1', 'webtransport', 'ws', 'wss',
	'p2p-websocket-star', 'http' ])
	PROTOCOLS.set(name, [ 2, 0 ]);

// [name, bytes of its value] of each component.
function components(address) {
	const words = address.replace(/\/+$/, '').split('/').slice(1), found = [];
	let size = 0;

	while (words.length) {
		const name = words.shift();
		const [ code, length, read ] = PROTOCOLS.get(name)
			|| refuse(`unknown protocol ${repr(cut(name, 40))}`);
		let value = [];

		if (length) {
			if (!words.length)
				refuse(`${name} needs a value`);
			value = read(words.shift(), name, length);
		}
		size += code + value.length + (length < 0 ? 1 + (value.length > 127) : 0);
		found.push([ name == 'ipfs' ? 'p2p' : name, value ]);
	}

	if (size < 1 || size > 512)
		refuse(`multiaddr of ${size} bytes, not 1 to 512`);
	if (found.length > 16)
		refuse('multiaddr of more than 16 components');
	found.forEach(checkComponent);

	return found;
}

function checkComponent([ name, value ]) {
	const [ , length, read ] = PROTOCOLS.get(name);

	if (length < 0 && !value.length)
		refuse(`${name} without a value`);
	if (read === text && (value.length > 253 || value.some((byte) => byte < 33 || byte > 126 || byte == 47)))
		refuse(`${name} is not a name: b${repr(String.fromCharCode(...value.slice(0, 40)), (char) => char >= ' ' && char <= '~')}`);
}

function multiaddr(address) {
	if (Array.from(address).length > 1024)
		refuse(`address longer than 1024 characters: ${repr(cut(address, 40))}...`);
	if (address[0] != '/')
		refuse(`not an address: ${repr(address)}: it does not start with /`);

	const why = attempt(components, address);

	return why === true ? components(address) : refuse(`not an address: ${repr(address)}: ${why}`);
}

const names = (found) => found.map(([ name ]) => name).join('/');
const ofPeer = (found) => found.length > 1 && found[found.length - 1][0] == 'p2p';

// What each rule allows.
const RULES = {
	listen: (found) => /^ip[46]\/tcp$/.test(names(found)),
	external: (found) => /^(ip[46]|dns[46]?)\/tcp$/.test(names(found)) && found[1][1].some(Boolean),
	peer: ofPeer,
	relay: (found) => ofPeer(found) && !found.some(([ name ]) => name == 'p2p-circuit'),
};

// Why nobody could dial what is told to others; nothing if one may.
function noWayToUs([ [ name, value ] ]) {
	if (name.startsWith('dns')) {
		const host = String.fromCharCode(...value).toLowerCase().replace(/\.+$/, ''), last = host.split('.').pop();

		return last == 'localhost' ? 'localhost is another machine to everybody else'
			: /^([0-9]+$|0x)/.test(last) || host.includes(':') ? 'a number is no name: it belongs behind /ip4 or /ip6' : '';
	}
	if (name == 'ip6' && value.slice(0, 12).join() == '0,0,0,0,0,0,0,0,0,0,255,255')
		return 'an IPv4 address belongs behind /ip4';

	return {
		loopback: 'a loopback address is another machine to everybody else',
		link: 'a link-local address leads nowhere but on its own link',
		reserved: 'not the address of a machine, but unspecified, multicast, broadcast or reserved',
	}[scope(value)];
}

function address(option, value) {
	const problem = (why) => `${sentence(option)} (${why})`;

	if (Array.from(value).length > 4096)
		return false;

	const why = attempt(multiaddr, value);

	if (why !== true)
		return problem(escape(why, 160));

	const found = multiaddr(value);

	if (!RULES[option.rule](found))
		return false;

	const objection = option.rule == 'external' && noWayToUs(found);

	return objection ? problem(objection) : true;
}

/* --- networks, hosts, URLs --- */

// The bits of `ip`, as a text of 0 and 1.
const bitsOf = (ip) => ip.map((byte) => byte.toString(2).padStart(8, '0')).join('');

// The length of a prefix: of 24, 255.255.255.0 or 0.0.0.255; NaN for anything else.
function prefix(mask, most) {
	if (/^[0-9]+$/.test(mask))
		return +mask <= most ? +mask : NaN;

	const [ , ones, zeros ] = most == 32 ? /^(1*)0*$|^(0*)1*$/.exec(bitsOf(ip4(mask))) || [] : [];

	return (ones != null ? ones : zeros || { length: NaN }).length;
}

function network(value) {
	const [ host, mask, ...more ] = value.split('/'), [ plain, ...zone ] = host.split('%');
	const ip = plain.includes(':') && (!zone.length || zone.length == 1 && zone[0]) ? ip6(plain) : ip4(host);
	const length = mask === undefined ? ip.length * 8 : prefix(mask, ip.length * 8);

	if (more.length || isNaN(length) || bitsOf(ip).slice(length).includes('1'))
		refuse('host bits');
}

const isPort = (text) => /^[0-9]{1,5}$/.test(text) && +text > 0 && +text < 65536;

function isHost(value) {
	const lower = value.toLowerCase(), [ , host, number ] = (lower[0] == '['
		? /^\[([0-9a-f:]*:[0-9a-f:]*)\](:.*)?$/s : /^([a-z0-9_.-]{1,253})(:.*)?$/s).exec(lower) || [];

	return !!host && (number === undefined || isPort(number.slice(1)));
}

function isUrl(value) {
	const [ , authority, path ] = /^https?:\/\/([^/]*)(\/.*)?$/s.exec(value) || [];
	const parts = (path || '').replace(/\/+$/, '').split('/').slice(1);

	return authority !== undefined && Array.from(value).length <= 512 && isHost(authority)
		&& parts.every((part) => /^[A-Za-z0-9._~-]+$/.test(part) && part != '.' && part != '..');
}

function isPath(value) {
	if (!value || Array.from(value).length > 4096 || !printable(value))
		return false;
	if (/^[~$]/.test(value))
		return 'a path in full: only a shell knows what ~ and $ stand for';

	return value == 'auto' || value[0] == '/' && !/[ \t*?[\\]/.test(value)
		|| 'a path from / on, without blanks and * ? [ \\';
}

/* --- time zones: POSIX TZ strings, such as CET-1CEST,M3.5.0,M10.5.0/3 --- */

function zone(text) {
	let at = 0;

	const take = (pattern) => {
		const [ found ] = pattern.exec(text.slice(at)) || [ '' ];

		at += found.length;
		return found;
	};
	const expect = (char) => text[at] == char ? at++ : refuse(`expected "${char}" at character ${at + 1}`);
	const name = () => {
		const quoted = take(/^</), start = at;

		if (take(quoted ? /^[A-Za-z0-9+-]*/ : /^[A-Za-z]*/).length < 3)
			refuse(`expected a name of 3 letters or more at character ${start + 1}`);
		if (quoted)
			expect('>');
	};
	const number = (low, high) => {
		const start = at, digits = take(/^[0-9]{1,3}/);

		if (!digits || +digits < low || +digits > high)
			refuse(`expected a number from ${low} to ${high} at character ${start + 1}`);
	};
	const time = (most) => {
		take(/^[+-]/);
		number(0, most);
		if (take(/^:/)) {
			number(0, 59);
			if (take(/^:/))
				number(0, 59);
		}
	};
	const rule = () => {
		expect(',');
		if (take(/^J/)) {
			number(1, 365);
		}
		else if (take(/^M/)) {
			number(1, 12);
			expect('.');
			number(1, 5);
			expect('.');
			number(0, 6);
		}
		else {
			number(0, 365);
		}
		if (take(/^\//))
			time(167);
	};

	if (!text || text.length > 128 || !ascii(text))
		refuse('expected 4 to 128 ASCII characters');
	name();
	time(24);
	if (at == text.length)
		return;
	name();
	if (at < text.length && text[at] != ',')
		time(24);
	if (at == text.length)
		return;
	rule();
	rule();
	if (at != text.length)
		refuse(`unexpected text at character ${at + 1}`);
}

/* --- the kinds --- */

const KINDS = {
	integer: inRange,
	size: inRange,
	duration: inRange,
	mark: inRange,
	bool: (option, value) => BOOLS.hasOwnProperty(value),
	choice: (option, value) => option.choices.includes(value),
	path: (option, value) => isPath(value),
	interface: (option, value) => /^[A-Za-z0-9._+@-]{1,15}$/.test(value) && /[A-Za-z0-9]/.test(value)
		&& !(option.required && value == 'auto'),
	multiaddr: address,
	'peer id': (option, value) => attempt(peerId, value) === true,
	'MAC address': (option, value) => /^[0-9a-f]{2}([:-][0-9a-f]{2}){5}$/i.test(value),
	CIDR: (option, value) => attempt(network, value) === true,
	'host name': (option, value) => value.length <= 253 && value.toLowerCase().split('.').every((label) =>
		/^[a-z0-9_-]*[a-z0-9][a-z0-9_-]*$/.test(label)) && ascii(value),
	host: (option, value) => isHost(value.replace(/^\*\./, '')),
	URL: (option, value) => isUrl(value),
	name: (option, value) => /^[a-z0-9_-]{1,32}$/.test(value.toLowerCase()) && Array.from(value).length <= 32
		&& !option.taken.includes(value),
	'time of day': (option, value) => /^([01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$/.test(value),
	'time zone': (option, value) => {
		const why = value == 'auto' || attempt(zone, value);

		return why === true || `${sentence(option)} (${why})`;
	},
};

// What the option, or an item of a list, is expected to be.
function sentence(option) {
	if (option.expected)
		return option.expected;
	if (option.choices)
		return option.choices.slice(0, -1).join(', ') + ' or ' + option.choices[option.choices.length - 1];

	return schema.sentences[option.rule || option.kind] + (option.range ? ` from ${option.range}` : '')
		+ (option.zero ? `, or "${option.zero}"` : '');
}

const refusal = (value, expected) => `got ${shown(value)}; expected ${expected}`;

return baseclass.extend({
	// The value of a flag as LuCI writes it, of any that the node takes; else undefined.
	bool: (value) => BOOLS.hasOwnProperty(value) ? BOOLS[value] : undefined,

	// What the node would say of `value`, a text or one item of a list; "" if it takes it.
	check: (option, value) => {
		const taken = KINDS[option.kind](option, value);

		return taken === true ? '' : refusal(value, taken || sentence(option));
	},

	// The same of a whole list.
	checkList: function (option, values) {
		if (values.length > schema.maxItems)
			return refusal(values, `a list of at most ${schema.maxItems}, each ${sentence(option)}`);

		return values.map((value) => this.check(option, value)).find(Boolean) || '';
	},

	// What it says of a required option that is not set.
	missing: (option) => `missing; expected ${sentence(option)}`,
});
