'use strict';
'require baseclass';

/* Pictures of figures in SVG. Each is made once and then redrawn: its nodes stay the same. */

const WIDTH = 300, HEIGHT = 80;

function svg(name, attributes, children) {
	const node = document.createElementNS('http://www.w3.org/2000/svg', name);

	for (let key in attributes)
		node.setAttribute(key, attributes[key]);

	(children || []).forEach(child => node.appendChild(child));

	return node;
}

/* An image that stretches over the width it has. `title`: the element that tells it in words. */
function picture(height, children, style) {
	const title = svg('title', {});
	const node = svg('svg', {
		'class': 'kn-picture ' + (style || ''),
		'viewBox': '0 0 %d %d'.format(WIDTH, height),
		'preserveAspectRatio': 'none',
		'role': 'img'
	}, [ title ].concat(children));

	return { node: node, tell: words => {
		if (title.textContent !== words)
			title.textContent = words;
	} };
}

/* A path through `values`, newest at the right; where one is below 0 there is none. */
function path(values, most, room, closed) {
	const step = WIDTH / (room - 1);
	let begun = null, x = WIDTH - (values.length - 1) * step, parts = [];
	const end = () => {
		if (closed && begun !== null)
			parts.push('L%.1f,%d L%.1f,%d Z'.format(x - step, HEIGHT, begun, HEIGHT));
		begun = null;
	};

	values.forEach(value => {
		if (value < 0) {
			end();
		}
		else {
			parts.push('%s%.1f,%.1f'.format(begun === null ? 'M' : 'L', x, HEIGHT - Math.min(value / most, 1) * HEIGHT));
			begun = begun === null ? x : begun;
		}
		x += step;
	});
	end();

	return parts.join(' ');
}

return baseclass.extend({
	/*
	 * Lines over time. `styles`: the class of each series; the first is an area. draw(series, most, words):
	 * arrays of numbers with room for `room` each, the figure at the top, the picture in words.
	 */
	lines: function(styles, room) {
		const grid = svg('path', { 'class': 'kn-grid', 'd': 'M0,20H300M0,40H300M0,60H300' });
		const paths = styles.map(style => svg('path', { 'class': style }));
		const image = picture(HEIGHT, [ grid ].concat(paths));

		return { node: image.node, draw: (series, most, words) => {
			paths.forEach((node, i) => node.setAttribute('d', path(series[i], most, room, i == 0)));
			image.tell(words);
		} };
	},

	/*
	 * Blocks side by side: a band of a day, or bars. draw(blocks, words): each block is [x, width, y,
	 * height, class, words], in shares of the picture.
	 */
	blocks: function(height, style) {
		const group = svg('g', {});
		const image = picture(height, [ group ], style);

		return { node: image.node, draw: (blocks, words) => {
			while (group.childNodes.length > blocks.length)
				group.lastChild.remove();

			while (group.childNodes.length < blocks.length)
				group.appendChild(svg('rect', {}, [ svg('title', {}) ]));

			blocks.forEach((block, i) => {
				const node = group.childNodes[i];

				node.setAttribute('x', block[0] * WIDTH);
				node.setAttribute('width', block[1] * WIDTH);
				node.setAttribute('y', block[2] * height);
				node.setAttribute('height', block[3] * height);
				node.setAttribute('class', block[4]);
				node.firstChild.textContent = block[5];
			});
			image.tell(words);
		} };
	}
});
