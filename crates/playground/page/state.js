// What the page knows, and the parts it is made of.

export const page = {
  running: false,
  speed: 250,
  /** What the session last said. */
  frame: {},
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

export const isFlat = () => page.description?.inputs === 2;

export const isOfValues = () => !page.description?.classes;

export const UNIT_CELLS = 32;

/** The carrier, and what draws. */
export const parts = {};
