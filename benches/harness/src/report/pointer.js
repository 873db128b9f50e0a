// Shows what lies under the pointer: the value of every line at that place. The page says all without it too.
(function () {
  const tip = document.createElement('div');
  tip.id = 'tip';
  document.body.append(tip);

  const axis = (text) => {
    const [kind, low, high, unit, from, to] = text.split(' ');
    const along = { linear: (v) => v, log: Math.log10, nines: (v) => -Math.log10(1 - v) }[kind];
    const back = { linear: (v) => v, log: (v) => 10 ** v, nines: (v) => 1 - 10 ** -v }[kind];
    const [a, b] = [along(+low), along(+high)];
    return { kind, unit, from: +from, to: +to, value: (px) => back(a + ((px - from) / (to - from)) * (b - a)) };
  };

  const three = (v) => (v >= 100 ? Math.round(v).toLocaleString('en') : v.toPrecision(3));
  const time = (us) => (us >= 999500 ? three(us / 1e6) + ' s' : us >= 999.5 ? three(us / 1e3) + ' ms' : three(us) + ' µs');
  const shown = (v, { kind, unit }) => {
    if (kind === 'nines') return +(v * 100).toPrecision(7) + ' %';
    if (unit === 'us') return time(v);
    if (unit === 'part') return three(v * 100) + ' %';
    if (unit === 'mb') return three(v) + ' MB/s';
    return three(v);
  };

  const near = (line, x) => {
    const points = line.getAttribute('points').split(' ').map((p) => p.split(',').map(Number));
    return points.reduce((best, p) => (Math.abs(p[0] - x) < Math.abs(best[0] - x) ? p : best));
  };

  const row = (name, value) => {
    const div = document.createElement('div');
    const [left, right] = [document.createElement('span'), document.createElement('b')];
    left.textContent = name;
    right.textContent = value;
    div.append(left, right);
    return div;
  };

  for (const svg of document.querySelectorAll('svg.plot')) {
    const lines = [...svg.querySelectorAll('polyline.line')];
    if (!lines.length || !svg.dataset.x) continue;
    const [x, y] = [axis(svg.dataset.x), axis(svg.dataset.y)];
    const cross = document.createElementNS('http://www.w3.org/2000/svg', 'line');
    cross.setAttribute('class', 'cross');
    const hide = () => { cross.remove(); tip.style.display = 'none'; };
    svg.addEventListener('pointerleave', hide);
    svg.addEventListener('pointermove', (event) => {
      const box = svg.getBoundingClientRect();
      const at = ((event.clientX - box.left) / box.width) * svg.viewBox.baseVal.width;
      if (at < x.from || at > x.to) return hide();
      const found = lines.map((line) => [line.dataset.name, near(line, at)]);
      found.sort((a, b) => a[1][1] - b[1][1]);
      const place = found.reduce((best, f) => (Math.abs(f[1][0] - at) < Math.abs(best - at) ? f[1][0] : best), Infinity);
      for (const [key, value] of Object.entries({ x1: place, x2: place, y1: y.to, y2: y.from })) {
        cross.setAttribute(key, value);
      }
      svg.append(cross);
      const head = row(shown(x.value(place), x), '');
      tip.replaceChildren(head, ...found.map(([name, p]) => row(name, shown(y.value(p[1]), y))));
      tip.style.display = 'block';
      const right = event.clientX + 18 + tip.offsetWidth > innerWidth;
      tip.style.left = (right ? event.clientX - 18 - tip.offsetWidth : event.clientX + 18) + 'px';
      tip.style.top = Math.min(event.clientY + 14, innerHeight - tip.offsetHeight - 8) + 'px';
    });
  }
})();
