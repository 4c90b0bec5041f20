// Six small missions: where to begin, what to ask, what to change, and when it has been reached.

export const MISSIONS = {
  logit: {
    title: ['A single logit', '一个 logit'],
    question: ['Can the loss fall below 0.1 within 200 steps?', '能在 200 步内使损失低于 0.1 吗？'],
    change: ['Change the learning rate, rewind, run.', '调整学习率，回到起点，再运行。'],
    setting: { data: { source: 'blobs', arms: 2, noise: 0.2 }, model: { hidden: [] }, loss: { kind: 'binary' }, optimizer: { kind: 'sgd', learning_rate: 0.01 } },
    reached: ({ frame }) => frame.step <= 200 && frame.train_loss < 0.1,
  },
  xor: {
    title: ['XOR needs a hidden layer', '异或需要隐藏层'],
    question: ['No straight line tells these apart. What does?', '没有直线能分开它们，怎样才能？'],
    change: ['Add a layer.', '增加一层。'],
    setting: { data: { source: 'xor', noise: 0.02 }, model: { hidden: [] } },
    reached: ({ frame }) => frame.train_accuracy > 0.95,
  },
  rate: {
    title: ['A rate too large', '过大的学习率'],
    question: ['The loss jumps about. Where does it settle below 0.1?', '损失来回跳动，怎样才能降到 0.1 以下？'],
    change: ['Rewind, and lower the learning rate.', '回到起点，降低学习率。'],
    setting: { data: { source: 'moons', noise: 0.05 }, model: { activation: ['relu'] }, optimizer: { kind: 'sgd', learning_rate: 20 } },
    reached: ({ frame }) => frame.train_loss < 0.1,
  },
  saturated: {
    title: ['A saturated start', '饱和的起点'],
    question: ['Squared error barely moves from here. What does?', '平方误差在这里几乎不动，什么可以？'],
    change: ['Rewind, and change the loss.', '回到起点，换一个损失。'],
    setting: { data: { source: 'blobs', arms: 2, noise: 0.1 }, model: { hidden: [3], initialization: 'large', seed: 12 }, loss: { kind: 'squared' }, optimizer: { kind: 'sgd', learning_rate: 0.2 } },
    reached: ({ frame, setting }) => setting.loss.kind === 'cross_entropy' && frame.train_accuracy > 0.97,
  },
  imbalance: {
    title: ['One class is rare', '稀少的类别'],
    question: ['Nearly all are right, but how many of the rare class? Reach nine in ten.', '准确率很高，但稀少的类别呢？让它达到九成。'],
    change: ['Loss, More: let classes count alike.', '在“损失 · 更多”中选择类别等权。'],
    setting: { data: { source: 'moons', rarity: 0.05, noise: 0.25, count: 1000 }, model: { hidden: [4] }, optimizer: { learning_rate: 0.01 } },
    reached: ({ frame }) => {
      const counts = frame.arrays['train.confusion'];
      return counts?.length === 4 && counts[3] / (counts[2] + counts[3]) >= 0.9;
    },
  },
  valley: {
    title: ['Momentum in a valley', '山谷中的动量'],
    question: ['Can the loss fall below 0.12 in 400 steps, at this rate?', '学习率不变，能在 400 步内使损失低于 0.12 吗？'],
    change: ['Rewind, and give it momentum.', '回到起点，加上动量。'],
    setting: { data: { source: 'circles', noise: 0.05 }, model: { hidden: [6, 6] }, optimizer: { kind: 'sgd', learning_rate: 0.05 } },
    reached: ({ frame, setting }) => setting.optimizer.kind === 'sgd' && setting.optimizer.learning_rate <= 0.05 && frame.step <= 400 && frame.train_loss < 0.12,
  },
};

/** The mission that an address asks for. */
export const missionOf = (hash) => {
  const name = /(?:^#?|&)mission=(\w+)/.exec(hash)?.[1];
  return Object.hasOwn(MISSIONS, name ?? '') ? name : null;
};

/** The setting that a mission begins with. */
export function missionStart(name, start) {
  const setting = structuredClone(start);
  for (const [part, values] of Object.entries(MISSIONS[name].setting)) Object.assign(setting[part], values);
  return setting;
}
