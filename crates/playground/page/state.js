// What the page knows, and the parts it is made of.

export const page = {
  running: false,
  speed: 250,
  /** What the session last said, and the last that held the record. */
  frame: {},
  record: null,
  description: null,
  start: null,
  /** What "every number" looks at: a sample, a unit, and a weight into it. */
  sample: null,
  unit: null,
  weight: 0,
  showTest: false,
  /** The class that is drawn, or `erase`. */
  tool: null,
  mission: null,
  /** Whether another run is kept beside this one. */
  comparing: false,
};

/** Whether there are so few features that all that is said of them can be drawn. */
export const isFlat = () => page.description?.inputs <= 2;

/** The sources whose points have values. */
export const VALUES = ['wave', 'plane', 'hills'];

/** What is applied to the sums of a hidden layer. */
export const activationOf = ({ model }, layer) => model.activation[Math.min(layer, model.activation.length - 1)];

export const isOfValues = () => !page.description?.classes;

/** The carrier, and what draws. */
export const parts = {};
