// The setting, as things that can be moved.

import { VALUES, activationOf } from './state.js';
import { t } from './texts.js';
import { short } from './numbers.js';

const hasClasses = (s) => !VALUES.includes(s.data.source);
const isDrawn = (s) => !['points', 'table', 'digits'].includes(s.data.source);
const optimizer = (...kinds) => (s) => kinds.includes(s.optimizer.kind);
const loss = (...kinds) => (s) => kinds.includes(s.loss.kind);
const isFirstOrder = (s) => s.optimizer.kind !== 'lbfgs';
const both = (f, g) => (s) => f(s) && g(s);

/** Rates and the like: 1, 2 and 5 times powers of ten. */
const decades = (from, to) => {
  const values = [];
  for (let power = from; power <= to; power++) for (const f of [1, 2, 5]) values.push(Number(`${f}e${power}`));
  return values;
};

export const LOSSES = { classes: ['cross_entropy', 'binary', 'focal', 'hinge', 'squared'], values: ['squared', 'absolute', 'huber', 'cross_entropy'] };
const lossKinds = (s, d) => (hasClasses(s) ? LOSSES.classes.filter((kind) => kind !== 'binary' || d.classes?.length === 2) : LOSSES.values);
const BATCHES = [1, 2, 4, 8, 16, 32, 64, 128, 256, 5000];

const ACTIVATIONS = { tanh: 'tanh', relu: 'ReLU', sigmoid: 'sigmoid', gelu: 'GELU', silu: 'SiLU', leaky_relu: 'leaky ReLU', softplus: 'softplus', identity: 'identity' };
const activations = () => Object.keys(ACTIVATIONS);
/** The activation that all layers have. */
const common = (s) => {
  const own = s.model.hidden.map((_, layer) => activationOf(s, layer));
  return own.every((kind) => kind === own[0]) ? own[0] : 'by_layer';
};

/**
 * Group, name, kind, and what the kind needs. What has `more` is folded away; `get` and `set` are
 * for what is no number or word of the setting by itself.
 */
const FIELDS = [
  ['data', 'arms', 'range', { min: 2, max: 5, step: 1, when: (s) => ['spirals', 'blobs'].includes(s.data.source) }],
  ['data', 'noise', 'range', { min: 0, max: 0.5, step: 0.01, when: isDrawn }],
  ['data', 'count', 'scale', { values: [20, 50, 100, 200, 300, 500, 1000, 2000], when: isDrawn }],
  ['data', 'test', 'range', { min: 0, max: 0.8, step: 0.1, percent: true, when: (s) => s.data.source !== 'points', more: true }],
  ['data', 'rarity', 'scale', { values: [0.02, 0.05, 0.1, 0.2, 0.5, 1], percent: true, when: both(isDrawn, hasClasses), more: true }],
  ['data', 'seed', 'number', { label: 'data_seed', when: (s) => s.data.source !== 'points', more: true }],
  ['model', 'activation', 'select', { options: activations, names: ACTIVATIONS, get: common, set: (value) => [value], when: (s) => s.model.hidden.length > 0 }],
  ['model', 'initialization', 'select', { options: () => ['xavier', 'he', 'pytorch', 'equal', 'small', 'large'], more: true }],
  ...Array.from({ length: 16 }, (_, layer) => ['model', 'activation', 'select', {
    options: activations,
    names: ACTIVATIONS,
    id: `model-activation-${layer}`,
    label: ['activation_of', layer + 1],
    get: (s) => activationOf(s, layer),
    set: (value, s) => s.model.hidden.map((_, at) => (at === layer ? value : activationOf(s, at))),
    when: (s) => s.model.hidden.length > Math.max(1, layer),
    more: true,
  }]),
  ['model', 'residual', 'check', { more: true }],
  ['model', 'layer_norm', 'check', { more: true }],
  ['model', 'dropout', 'range', { min: 0, max: 0.8, step: 0.1, percent: true, when: isFirstOrder, more: true }],
  ['model', 'seed', 'number', { label: 'model_seed', more: true }],
  ['loss', 'kind', 'select', { options: lossKinds, label: 'loss' }],
  ['loss', 'smoothing', 'range', { min: 0, max: 0.5, step: 0.05, when: loss('cross_entropy', 'binary'), more: true }],
  ['loss', 'temperature', 'scale', { values: [0.1, 0.2, 0.5, 1, 2, 5, 10], when: both(loss('cross_entropy'), hasClasses), more: true }],
  ['loss', 'balanced', 'check', { when: both(loss('cross_entropy', 'focal'), hasClasses), more: true }],
  ['loss', 'gamma', 'range', { min: 0, max: 5, step: 0.5, when: loss('focal') }],
  ['loss', 'margin', 'range', { min: 0, max: 3, step: 0.25, when: loss('hinge'), more: true }],
  ['loss', 'delta', 'scale', { values: [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1], when: loss('huber') }],
  ['optimizer', 'kind', 'select', { options: () => ['sgd', 'adam', 'adamw', 'rmsprop', 'adagrad', 'lion', 'muon', 'lbfgs'], label: 'optimizer' }],
  ['optimizer', 'learning_rate', 'scale', { values: decades(-5, 2) }],
  ['optimizer', 'momentum', 'range', { min: 0, max: 0.99, step: 0.01, when: optimizer('sgd', 'rmsprop', 'muon') }],
  ['optimizer', 'batch', 'scale', { values: BATCHES, name: (v) => (v >= 5000 ? t('full') : String(v)) }],
  ['optimizer', 'history', 'range', { min: 1, max: 50, step: 1, when: optimizer('lbfgs'), more: true }],
  ['optimizer', 'weight_decay', 'scale', { values: [0, ...decades(-5, 0)], when: isFirstOrder, more: true }],
  ['optimizer', 'nesterov', 'check', { when: (s) => optimizer('sgd', 'muon')(s) && s.optimizer.momentum > 0, more: true }],
  ['optimizer', 'dampening', 'range', { min: 0, max: 1, step: 0.05, when: (s) => s.optimizer.kind === 'sgd' && s.optimizer.momentum > 0 && !s.optimizer.nesterov, more: true }],
  ['optimizer', 'iterations', 'range', { min: 0, max: 10, step: 1, when: optimizer('muon'), more: true }],
  ['optimizer', 'beta1', 'range', { min: 0, max: 0.99, step: 0.01, when: optimizer('adam', 'adamw', 'lion'), more: true }],
  ['optimizer', 'beta2', 'scale', { values: [0, 0.5, 0.9, 0.95, 0.99, 0.995, 0.999, 0.9995], when: optimizer('adam', 'adamw', 'lion'), more: true }],
  ['optimizer', 'alpha', 'scale', { values: [0, 0.5, 0.9, 0.95, 0.99, 0.995, 0.999], when: optimizer('rmsprop'), more: true }],
  ['optimizer', 'centered', 'check', { when: optimizer('rmsprop'), more: true }],
  ['optimizer', 'learning_rate_decay', 'scale', { values: [0, ...decades(-5, -1)], when: optimizer('adagrad'), more: true }],
  ['optimizer', 'initial_accumulator', 'scale', { values: [0, 0.001, 0.01, 0.1, 1, 10], when: optimizer('adagrad'), more: true }],
  ['optimizer', 'epsilon', 'scale', { values: decades(-10, -1), when: optimizer('adam', 'adamw', 'rmsprop', 'adagrad'), more: true }],
  ['optimizer', 'amsgrad', 'check', { when: optimizer('adam', 'adamw'), more: true }],
  ['optimizer', 'schedule', 'select', { options: () => ['constant', 'step', 'exponential', 'linear', 'polynomial', 'cosine', 'restarts', 'one_cycle', 'warm_up', 'warm_up_cosine'], names: { step: 'schedule_step' }, more: true }],
  ['optimizer', 'schedule_steps', 'scale', { values: [50, 100, 200, 500, 1000, 2000, 5000, 10000, 50000], when: (s) => s.optimizer.schedule !== 'constant', more: true }],
  ['optimizer', 'schedule_gamma', 'range', { min: 0.01, max: 0.99, step: 0.01, when: (s) => ['step', 'exponential'].includes(s.optimizer.schedule), more: true }],
  ['optimizer', 'schedule_power', 'range', { min: 0.5, max: 5, step: 0.5, when: (s) => s.optimizer.schedule === 'polynomial', more: true }],
  ['optimizer', 'clip', 'select', { options: () => ['none', 'global_norm', 'norm', 'value'], names: { value: 'clip_value' }, when: isFirstOrder, more: true }],
  ['optimizer', 'clip_at', 'scale', { values: decades(-3, 1), when: (s) => s.optimizer.clip !== 'none', more: true }],
];

/** What suits an optimizer when it is chosen. */
const SUITABLE = {
  sgd: { learning_rate: 0.1, momentum: 0 },
  adagrad: { learning_rate: 0.1 },
  rmsprop: { learning_rate: 0.01, momentum: 0 },
  adam: { learning_rate: 0.05, beta1: 0.9, beta2: 0.999 },
  adamw: { learning_rate: 0.05, beta1: 0.9, beta2: 0.999 },
  lion: { learning_rate: 0.002, beta1: 0.9, beta2: 0.99 },
  muon: { learning_rate: 0.02, momentum: 0.95, nesterov: true },
  lbfgs: { learning_rate: 1, batch: 5000, weight_decay: 0, clip: 'none' },
};

export class Controls {
  /** `change` is called with a setting that differs in what was moved. */
  constructor(roots, change) {
    this.change = change;
    this.fields = FIELDS.map(([part, name, kind, options]) => this.#field(part, name, kind, options, roots[part]));
    this.folds = Object.values(roots).map((root) => root.querySelector('details.more'));
  }

  #field(part, name, kind, options, root) {
    const id = options.id ?? `${part}-${name}`;
    const row = document.createElement('div');
    // What the group's heading says already is there for screen readers only.
    row.className = `field ${kind}${name === 'kind' ? ' alone' : ''}`;
    const label = document.createElement('label');
    label.htmlFor = id;
    label.dataset.t = [options.label ?? name].flat().join(' ');
    const input = document.createElement(kind === 'select' ? 'select' : 'input');
    input.id = id;
    const output = document.createElement('output');
    output.htmlFor = id;
    const field = { part, name, kind, options, row, input, output, stops: options.values };
    if (kind === 'check') {
      input.type = 'checkbox';
      row.append(input, label);
    } else if (kind === 'select') {
      row.append(label, input);
    } else if (kind === 'number') {
      Object.assign(input, { type: 'number', min: 0, max: 999999, step: 1 });
      row.append(label, input);
    } else {
      input.type = 'range';
      if (kind === 'range') Object.assign(input, { min: options.min, max: options.max, step: options.step });
      row.append(label, output, input);
    }
    const moved = () => this.#moved(field);
    input.addEventListener(kind === 'select' || kind === 'check' || kind === 'number' ? 'change' : 'input', moved);
    (options.more ? root.querySelector('.folded') : root.querySelector('.plain')).append(row);
    return field;
  }

  #moved({ part, name, kind, options, input, stops }) {
    const next = structuredClone(this.setting);
    let value;
    if (kind === 'check') value = input.checked;
    else if (kind === 'scale') value = stops[Number(input.value)];
    else if (kind === 'select') value = input.value;
    else value = Number(input.value);
    if (kind === 'number' && !Number.isSafeInteger(value)) return;
    const before = next.optimizer.kind;
    next[part][name] = options.set?.(value, next) ?? value;
    if (part === 'optimizer' && name === 'kind') {
      Object.assign(next.optimizer, { nesterov: false, ...SUITABLE[value] });
      // L-BFGS looks at all points, and compares losses, which dropout would blur.
      if (before === 'lbfgs') next.optimizer.batch = 32;
      if (value === 'lbfgs') next.model.dropout = 0;
    }
    this.change(next, kind === 'range' || kind === 'scale');
  }

  update(setting, description) {
    this.setting = setting;
    for (const field of this.fields) {
      const { part, name, kind, options, row, input, output } = field;
      const shown = !options.when || options.when(setting);
      row.hidden = !shown;
      if (!shown) continue;
      const value = options.get?.(setting) ?? setting[part][name];
      if (kind === 'check') input.checked = value;
      else if (kind === 'select') this.#options(field, value, setting, description);
      else if (kind === 'scale') this.#scale(field, value);
      else if (Number(input.value) !== value) input.value = value;
      const text = options.name?.(value) ?? (options.percent ? `${Number((value * 100).toPrecision(3))} %` : short(value, 4));
      if (kind === 'range' || kind === 'scale') {
        output.textContent = text;
        input.setAttribute('aria-valuetext', text);
      }
    }
    for (const fold of this.folds) if (fold) fold.hidden = ![...fold.querySelectorAll('.field')].some((row) => !row.hidden);
  }

  #options({ options, input }, value, setting, description) {
    const kinds = options.options(setting, description);
    if (!kinds.includes(value)) kinds.push(value);
    const texts = kinds.map((kind) => t(options.names?.[kind] ?? kind));
    const key = texts.join('|');
    if (input.dataset.key !== key) {
      input.dataset.key = key;
      input.replaceChildren(...kinds.map((kind, index) => new Option(texts[index], kind)));
    }
    input.value = value;
  }

  /** A slider whose stops are given numbers, and the present one if it is not among them. */
  #scale(field, value) {
    let { stops } = field;
    if (!stops.includes(value)) {
      const given = field.options.values;
      stops = [...new Set([...given, value])].sort((a, b) => a - b);
      field.stops = stops;
    }
    Object.assign(field.input, { min: 0, max: stops.length - 1, step: 1 });
    field.input.value = stops.indexOf(value);
  }
}
