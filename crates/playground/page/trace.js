// Every number on a sample's way: forward, back, and into the step that comes next. All of them are
// the engine's; nothing is computed here but which of them stand in a line.

import { classColor } from './colors.js';
import { drawGraph } from './graph.js';
import { six } from './numbers.js';
import { activationOf } from './state.js';
import { t } from './texts.js';

const subscript = (n) => String(n).replace(/\d/g, (d) => '₀₁₂₃₄₅₆₇₈₉'[d]);

function h(tag, className, ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** A number that can be told from the words around it. */
const n = (value) => h('span', 'n', six(value));
/** The same where a sign would be mistaken for a minus. */
const p = (value) => (value < 0 ? h('span', 'n', `(${six(value)})`) : n(value));

/** What an activation is, and its derivative where that is short. */
const ACTIVATIONS = {
  tanh: ['tanh', '1 − a²'],
  relu: ['max(0, z)', 'z > 0'],
  leaky_relu: ['max(0.1 z, z)', 'z > 0 ? 1 : 0.1'],
  sigmoid: ['σ', 'a · (1 − a)'],
  softplus: ['ln(1 + eᶻ)', 'σ(z)'],
  gelu: ['z · Φ(z)', 'Φ(z) + z · φ(z)'],
  silu: ['z · σ(z)', 'σ(z) · (1 + z · σ(−z))'],
  identity: ['z', '1'],
};

export class TraceView {
  constructor(root, { choose, chooseUnit, chooseWeight, close, unfold }) {
    Object.assign(this, { root, choose, chooseUnit, chooseWeight, close, unfold });
  }

  /**
   * `trace` is a sample's way, `next` the step that comes, `weights` all parameters by name, and
   * `unit` and `weight` what has been chosen.
   */
  update(view) {
    this.view = view;
    const { sample, trace } = view;
    this.root.hidden = !sample;
    if (!sample || !trace || !trace.layers) return;
    const scroll = [...this.root.querySelectorAll('.rows')].map((rows) => rows.scrollTop);
    const focused = document.activeElement?.dataset?.row;
    this.root.replaceChildren(this.#head(), h('div', 'columns', this.#forward(), this.#back(), this.#step()), this.#graph());
    this.root.querySelectorAll('.rows').forEach((rows, index) => (rows.scrollTop = scroll[index] ?? 0));
    if (focused) this.root.querySelector(`[data-row="${focused}"]`)?.focus();
  }

  /** The computation behind the loss, which is drawn if it is unfolded. */
  #graph() {
    const { graph } = this.view;
    const details = h('details', 'more', h('summary', '', t('graph')));
    details.open = this.unfolded ?? false;
    details.addEventListener('toggle', () => {
      if (details.open === (this.unfolded ?? false)) return;
      this.unfolded = details.open;
      this.unfold();
    });
    if (details.open && graph) {
      const frame = h('div', 'drawing', drawGraph(graph));
      const kept = this.root.querySelector('.drawing')?.scrollLeft;
      details.append(frame);
      // The loss is at the right.
      requestAnimationFrame(() => (frame.scrollLeft = kept ?? frame.scrollWidth));
    }
    return details;
  }

  #head() {
    const { sample, count, trace, classes } = this.view;
    const title = h('h2', '', t('numbers'));
    title.id = 'numbers-title';
    const answer = classes ? h('span', '', classes[trace.answer]) : n(trace.answer);
    if (classes) answer.style.color = classColor(trace.answer);
    const turn = (by, text, label) => {
      const button = h('button', '', text);
      button.type = 'button';
      button.dataset.row = `turn${by}`;
      button.setAttribute('aria-label', t(label));
      button.addEventListener('click', () => this.choose({ ...sample, index: (sample.index + by + count) % count }));
      return button;
    };
    const close = h('button', 'close', '×');
    close.type = 'button';
    close.setAttribute('aria-label', t('close'));
    close.addEventListener('click', this.close);
    return h('div', 'top', title, turn(-1, '‹', 'sample_before'), h('span', '', t('sample', t(sample.part === 'train' ? 'train' : 'tested'), sample.index + 1, count)), turn(1, '›', 'sample_after'), h('span', 'soft', t('true_answer'), ' ', answer), close);
  }

  /** Names of what enters layer `layer`. */
  #inputName(layer, index) {
    return layer === 0 ? `x${subscript(index + 1)}` : `a${subscript(index + 1)}`;
  }

  #enters(layer) {
    const { trace } = this.view;
    return layer === 0 ? trace.inputs : trace.layers[layer - 1].output;
  }

  #weight(layer, from, to) {
    const { weights, sizes } = this.view;
    return weights[`layers.${layer}.weight`][from * sizes[layer + 1] + to];
  }

  #section(title, code, ...rows) {
    return h('section', '', h('h4', '', title), code ? h('code', '', code) : null, h('div', 'rows', ...rows));
  }

  /** A row that chooses a unit, with more below it if the unit is chosen. */
  #row(layer, index, side, main, more) {
    const { unit } = this.view;
    const chosen = unit.layer === layer && unit.index === index;
    const button = h('button', `row${chosen ? ' chosen' : ''}`, ...main);
    button.type = 'button';
    button.dataset.row = `${side}${layer}.${index}`;
    button.setAttribute('aria-pressed', chosen);
    button.addEventListener('click', () => this.chooseUnit(layer, index));
    return chosen && more ? h('div', 'open', button, h('p', 'formula', ...more)) : button;
  }

  /** z = Σ w · x + b, with the numbers in it. */
  #sum(layer, index) {
    const { weights } = this.view;
    const parts = [];
    this.#enters(layer).forEach((x, from) => {
      const term = h('span', 'term', p(this.#weight(layer, from, index)), ' · ', p(x));
      parts.push(parts.length ? ' + ' : '', term);
    });
    return [...parts, ' + ', p(weights[`layers.${layer}.bias`][index])];
  }

  #sumNames(layer, index) {
    const count = this.#enters(layer).length;
    const name = (from) => `w${subscript(from + 1)}·${this.#inputName(layer, from)}`;
    const all = count <= 4 ? Array.from({ length: count }, (_, from) => name(from)) : [name(0), '…', name(count - 1)];
    return `z${subscript(index + 1)} = ${all.join(' + ')} + b`;
  }

  #forward() {
    const { trace, sizes, setting, classes } = this.view;
    const code = trace.code;
    const column = h('div', '', h('h3', '', t('forward')));
    const inputs = trace.inputs.length <= 8 ? trace.inputs.flatMap((x, index) => [index ? '   ' : '', `x${subscript(index + 1)} = `, n(x)]) : [t('pixels')];
    column.append(this.#section(t('inputs'), null, h('p', 'formula', ...inputs)));
    trace.layers.forEach((layer, at) => {
      const activation = activationOf(setting, at);
      const [f] = ACTIVATIONS[activation];
      const normed = setting.model.layer_norm;
      const rows = layer.sum.map((z, index) => {
        const main = [h('i', '', subscript(index + 1)), 'z ', n(z), ' a ', n(layer.activated[index])];
        const more = [this.#sumNames(at, index), h('br'), '= ', ...this.#sum(at, index), h('br'), '= ', n(z), h('br')];
        if (normed) more.push(t('normalized'), ' ', n(layer.normalized[index]), h('br'));
        const name = ['tanh', 'σ'].includes(f) ? `a = ${f}(` : `a = ${f}, z = `;
        more.push(name, n(layer.normalized[index]), ['tanh', 'σ'].includes(f) ? ')' : '', ' = ', n(layer.activated[index]));
        if (layer.is_residual) more.push(h('br'), t('with_input'), ' ', p(layer.activated[index]), ' + ', p(this.#enters(at)[index]), ' = ', n(layer.output[index]));
        return this.#row(at + 1, index, 'f', main, more);
      });
      column.append(this.#section(t('layer_title', at + 1), activation === 'identity' ? code.linear : `${code.linear}\n${code.activation}`, ...rows));
    });
    const last = sizes.length - 1;
    const rows = trace.logits.map((z, index) => {
      const name = classes && trace.logits.length > 1 ? classes[index] : '';
      const label = h('i', '', name || 'z');
      if (name) label.style.color = classColor(index);
      const main = [label, n(z)];
      return this.#row(last, index, 'f', main, [this.#sumNames(last - 1, index), h('br'), '= ', ...this.#sum(last - 1, index), h('br'), '= ', n(z)]);
    });
    column.append(this.#section(t(classes ? 'logits' : 'output'), code.linear, ...rows));
    column.append(this.#section(t('loss'), code.loss, ...this.#loss()));
    return column;
  }

  #line(...parts) {
    return h('p', 'formula', ...parts);
  }

  /** From the logits to the loss. */
  #loss() {
    const { trace, setting, classes } = this.view;
    const { loss, logits, said, answer } = trace;
    const { kind, smoothing, temperature, gamma, margin, delta } = setting.loss;
    const name = (index) => {
      const label = h('i', '', classes[index]);
      label.style.color = classColor(index);
      return label;
    };
    const probabilities = said.map((value, index) => this.#line(name0(classes, index, name), t('p_of'), ' ', n(value)));
    if (!classes) {
      const z = logits[0];
      const line = {
        squared: ['(z − y)² = (', n(z), ' − ', p(answer), ')² = ', n(loss)],
        absolute: ['|z − y| = |', n(z), ' − ', p(answer), '| = ', n(loss)],
        huber: [`δ = ${delta}: `, '|z − y| ≤ δ ? (z − y)² / 2 : δ · (|z − y| − δ / 2) = ', n(loss)],
        cross_entropy: ['ln(1 + eᶻ) − y · z, z = ', n(z), ', y = ', n(answer), ': ', n(loss)],
      }[kind];
      return [...(kind === 'cross_entropy' ? [this.#line('σ(z) = ', n(said[0]))] : []), this.#line('L = ', ...line)];
    }
    if (kind === 'cross_entropy') {
      const { scaled, largest, log_sum_exp: lse, target } = trace;
      const s = temperature === 1 ? 'z' : `z/${temperature}`;
      const terms = scaled.flatMap((z, index) => [index ? ' + ' : '', h('span', 'term', 'exp(', n(z), ' − ', p(largest), ')')]);
      const rows = [
        this.#line(`log Σ exp ${s} = m + ln Σ exp(${s} − m),  m = `, n(largest), h('br'), '= ', n(largest), ' + ln(', ...terms, ') = ', n(lse)),
        ...said.map((value, index) => this.#line(name(index), `p = exp(${s} − log Σ exp) = exp(`, n(scaled[index]), ' − ', p(lse), ') = ', n(value))),
      ];
      if (smoothing === 0) rows.push(this.#line(`L = log Σ exp − ${s} = `, n(lse), ' − ', p(scaled[answer]), ' = ', n(loss)));
      else {
        const mixed = scaled.flatMap((z, index) => [index ? ' + ' : '', h('span', 'term', n(target[index]), ' · ', p(z))]);
        rows.push(this.#line('L = log Σ exp − Σ q · z = ', n(lse), ' − (', ...mixed, ') = ', n(loss)));
      }
      return rows;
    }
    if (kind === 'binary') {
      return [...probabilities, this.#line('L = ln(1 + eᶻ) − y · z, z = ', n(logits[0]), ', y = ', n(answer), smoothing ? `, ε = ${smoothing}` : '', ': ', n(loss))];
    }
    if (kind === 'focal') {
      return [...probabilities, this.#line(`L = −(1 − p)^${gamma} · ln p, p = `, n(said[answer]), ': ', n(loss))];
    }
    if (kind === 'hinge') {
      const terms = logits.flatMap((z, index) => (index === answer ? [] : [h('span', 'term', ` max(0, ${margin} − `, n(logits[answer]), ' + ', p(z), ')')]));
      return [this.#line('L = (', ...terms.flatMap((term, index) => [index ? ' + ' : '', term]), `) / ${logits.length} = `, n(loss))];
    }
    const terms = said.flatMap((value, index) => [index ? ' + ' : '', h('span', 'term', '(', n(value), ' − ', index === answer ? '1' : '0', ')²')]);
    return [...probabilities, this.#line('L = Σ (p − y)² / C = (', ...terms, `) / ${said.length} = `, n(loss))];
  }

  #back() {
    const { trace, sizes, setting, classes } = this.view;
    const column = h('div', '', h('h3', '', t('backward')));
    const last = sizes.length - 1;
    const plain = classes && setting.loss.kind === 'cross_entropy' && setting.loss.temperature === 1;
    const first = trace.logits_gradient.map((gradient, index) => {
      const main = [h('i', '', classes && trace.logits.length > 1 ? classes[index] : 'z'), '∂L/∂z ', n(gradient)];
      const more = plain ? ['∂L/∂z = p − y = ', n(trace.said[index]), ' − ', n(trace.target[index]), ' = ', n(gradient)] : null;
      return this.#row(last, index, 'b', main, more);
    });
    column.append(this.#section(t(classes ? 'logits' : 'output'), trace.code.backward, ...first));
    for (let at = trace.layers.length - 1; at >= 0; at--) {
      const layer = trace.layers[at];
      const after = at + 1 < trace.layers.length ? trace.layers[at + 1].sum_gradient : trace.logits_gradient;
      const rows = layer.sum.map((_, index) => {
        const main = [h('i', '', subscript(index + 1)), '∂L/∂a ', n(layer.output_gradient[index]), ' ∂L/∂z ', n(layer.sum_gradient[index])];
        const terms = after.flatMap((gradient, to) => [to ? ' + ' : '', h('span', 'term', p(this.#weight(at + 1, index, to)), ' · ', p(gradient))]);
        const around = trace.layers[at + 1]?.is_residual ? [' + ', p(trace.layers[at + 1].output_gradient[index])] : [];
        const more = ['∂L/∂a = Σ w · ∂L/∂z', h('br'), '= ', ...terms, ...around, h('br'), '= ', n(layer.output_gradient[index]), h('br')];
        more.push(`∂a/∂z = ${ACTIVATIONS[activationOf(setting, at)][1]} = `, n(layer.slope[index]), h('br'));
        if (setting.model.layer_norm) more.push(t('through_norm'), ' ', n(layer.sum_gradient[index]));
        else more.push('∂L/∂z = ', p(layer.output_gradient[index]), ' · ', p(layer.slope[index]), ' = ', n(layer.sum_gradient[index]));
        return this.#row(at + 1, index, 'b', main, more);
      });
      column.append(this.#section(t('layer_title', at + 1), null, ...rows));
    }
    if (trace.inputs.length <= 8) column.append(this.#section(t('inputs'), null, this.#line(...trace.inputs_gradient.flatMap((g, index) => [index ? '   ' : '', `∂L/∂x${subscript(index + 1)} = `, n(g)]))));
    return column;
  }

  /** The weights of the chosen unit, and the chosen one's step. */
  #step() {
    const { unit, trace, next, weights, sizes, weight } = this.view;
    const column = h('div', '', h('h3', '', t('the_step')));
    if (unit.layer === 0) return column;
    const layer = unit.layer - 1;
    const width = sizes[unit.layer];
    const enters = this.#enters(layer);
    const name = `layers.${layer}.weight`;
    const bias = `layers.${layer}.bias`;
    const table = h('table', '', h('thead', '', h('tr', '', h('th', '', ''), h('th', '', t('weight')), h('th', '', t('gradient_here')), h('th', '', t('gradient_batch', next?.batch_points ?? '')), h('th', '', t('new_weight')))));
    const body = h('tbody', '');
    const line = (label, key, index, at) => {
      const button = h('button', '', label);
      button.type = 'button';
      button.dataset.row = `s${at}`;
      button.addEventListener('click', () => this.chooseWeight(at));
      const row = h('tr', at === weight ? 'chosen' : '', h('th', '', button), ...[weights[key]?.[index], trace.arrays[`gradient.${key}`]?.[index], next?.arrays?.[`batch.${key}`]?.[index], next?.arrays?.[`next.${key}`]?.[index]].map((value) => h('td', 'n', six(value))));
      row.addEventListener('click', () => this.chooseWeight(at));
      body.append(row);
    };
    enters.forEach((_, from) => line(`w${subscript(from + 1)}`, name, from * width + unit.index, from));
    line('b', bias, unit.index, enters.length);
    table.append(body);
    const title = unit.layer === sizes.length - 1 ? t('weights_of_output', unit.index + 1) : t('weights_of', unit.layer, unit.index + 1);
    column.append(h('section', '', h('h4', '', title), h('div', 'rows wide', table)));
    const at = Math.min(weight, enters.length);
    const isBias = at === enters.length;
    const key = isBias ? bias : name;
    const place = isBias ? unit.index : at * width + unit.index;
    const x = isBias ? null : enters[at];
    const delta = layer < trace.layers.length ? trace.layers[layer].sum_gradient[unit.index] : trace.logits_gradient[unit.index];
    const own = trace.arrays[`gradient.${key}`]?.[place];
    const symbol = isBias ? 'b' : `w${subscript(at + 1)}`;
    column.append(
      this.#section(t('gradient_of', symbol), null, isBias ? this.#line('∂L/∂b = ∂L/∂z = ', n(own)) : this.#line(`∂L/∂${symbol} = ${this.#inputName(layer, at)} · ∂L/∂z = `, p(x), ' · ', p(delta), ' = ', n(own))),
    );
    if (next?.arrays) column.append(this.#section(t('next_step'), trace.code.step, ...this.#update(symbol, key, place)));
    if (next?.error) column.append(this.#line(next.error));
    return column;
  }

  /** weight − rate · gradient = new weight, as the optimizer does it. */
  #update(symbol, key, place) {
    const { next, weights, setting } = this.view;
    const o = setting.optimizer;
    const g = next.arrays[`batch.${key}`]?.[place];
    const w = weights[key][place];
    const w2 = next.arrays[`next.${key}`]?.[place];
    const rate = next.learning_rate;
    const before = (what) => next.arrays[`before.${key}.${what}`]?.[place] ?? 0;
    const after = (what) => next.arrays[`after.${key}.${what}`]?.[place];
    // A count is saved in two digits.
    const [high, low] = next.arrays[`after.${key}.step`] ?? [0, 0];
    const steps = high * 2 ** 24 + low;
    const lines = [this.#line('g = ', n(g), ' ', h('span', 'soft', t('mean_of_batch', next.batch_points)))];
    const decayed = o.weight_decay > 0 && !['adamw', 'lion', 'muon'].includes(o.kind);
    if (decayed) lines.push(this.#line(`g ← g + ${o.weight_decay} · ${symbol}`));
    const end = (text, ...parts) => lines.push(this.#line(`${symbol} ← ${text}`, h('br'), '= ', ...parts, ' = ', h('b', '', six(w2))));
    if (o.kind === 'sgd' && o.momentum === 0) {
      end(`${symbol} − η · g`, n(w), ' − ', n(rate), ' · ', p(g));
    } else if (o.kind === 'sgd') {
      // The first gradient is taken whole.
      const dampened = o.dampening > 0 && !o.nesterov && next.arrays[`before.${key}.velocity`];
      const share = dampened ? ['(1 − ', n(o.dampening), ') · '] : [];
      lines.push(this.#line(`v ← μ · v + ${dampened ? '(1 − d) · ' : ''}g = `, n(o.momentum), ' · ', p(before('velocity')), ' + ', ...share, p(g), ' = ', n(after('velocity'))));
      if (o.nesterov) end(`${symbol} − η · (g + μ · v)`, n(w), ' − ', n(rate), ' · (', n(g), ' + ', n(o.momentum), ' · ', p(after('velocity')), ')');
      else end(`${symbol} − η · v`, n(w), ' − ', n(rate), ' · ', p(after('velocity')));
    } else if (o.kind === 'adam' || o.kind === 'adamw') {
      lines.push(this.#line('m ← β₁ · m + (1 − β₁) · g = ', n(o.beta1), ' · ', p(before('mean')), ' + ', n(1 - o.beta1), ' · ', p(g), ' = ', n(after('mean'))));
      lines.push(this.#line('s ← β₂ · s + (1 − β₂) · g² = ', n(o.beta2), ' · ', p(before('square')), ' + ', n(1 - o.beta2), ' · ', p(g), '² = ', n(after('square'))));
      const decay = o.kind === 'adamw' && o.weight_decay > 0 ? `(1 − η · ${o.weight_decay}) · ` : '';
      end(
        `${decay}${symbol} − η · m / (1 − β₁ᵗ) / (√(s / (1 − β₂ᵗ)) + ε),  t = ${steps}`,
        decay ? h('span', '', '(1 − ', n(rate), ` · ${o.weight_decay}) · `) : '',
        n(w), ' − ', n(rate), ' · ', p(after('mean')), ` / (1 − ${o.beta1}`, h('sup', '', String(steps)), ') / (√(', n(after(o.amsgrad ? 'largest' : 'square')), ` / (1 − ${o.beta2}`, h('sup', '', String(steps)), ')) + ', n(o.epsilon), ')',
      );
    } else if (o.kind === 'adagrad') {
      const start = next.arrays[`before.${key}.sum`] ? before('sum') : o.initial_accumulator;
      lines.push(this.#line('s ← s + g² = ', n(start), ' + ', p(g), '² = ', n(after('sum'))));
      const falls = o.learning_rate_decay > 0;
      const divisor = falls ? [' / (1 + ', n(steps - 1), ' · ', n(o.learning_rate_decay), ')'] : [];
      end(`${symbol} − η${falls ? ' / (1 + (t − 1) · d)' : ''} · g / (√s + ε)`, n(w), ' − ', n(rate), ...divisor, ' · ', p(g), ' / (√', n(after('sum')), ' + ', n(o.epsilon), ')');
    } else if (o.kind === 'lbfgs') {
      end(`${symbol} + Δ`, n(w), ' + ', p(after('displacement')));
    } else {
      for (const what of next.remembered.filter((what) => what !== 'step' && after(what) !== undefined)) {
        lines.push(this.#line(`${what}: `, n(before(what)), ' → ', n(after(what))));
      }
      if (o.kind === 'rmsprop' && o.momentum === 0 && !o.centered) end(`${symbol} − η · g / (√square + ε)`, n(w), ' − ', n(rate), ' · ', p(g), ' / (√', n(after('square')), ' + ', n(o.epsilon), ')');
      else lines.push(this.#line(`${symbol} ← `, h('b', '', six(w2)), h('span', 'soft', `  (${symbol} = `, n(w), ')')));
    }
    return lines;
  }
}

const name0 = (classes, index, name) => (classes ? name(index) : '');
