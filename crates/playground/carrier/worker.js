// The worker in which the engine runs: the first message is the module, every other a message of
// the page.
let engine;

function answer({ message, steps, milliseconds }) {
  const end = performance.now() + milliseconds;
  for (let left = steps; left > 0 && performance.now() < end; left--) {
    if (engine.advance(1) === 0) break;
  }
  const bytes = new TextEncoder().encode(message);
  // Making room may move the memory, so it comes first.
  const place = engine.message(bytes.length);
  new Uint8Array(engine.memory.buffer, place, bytes.length).set(bytes);
  const length = engine.answer();
  const reply = engine.memory.buffer.slice(engine.reply(), engine.reply() + length);
  postMessage(reply, [reply]);
}

const waiting = [];
onmessage = async ({ data }) => {
  if (data instanceof ArrayBuffer) {
    engine = (await WebAssembly.instantiate(data, {})).instance.exports;
    waiting.splice(0).forEach(answer);
  } else if (engine) answer(data);
  else waiting.push(data);
};
