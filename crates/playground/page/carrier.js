// How messages reach the session: over HTTP, or a worker in which the session itself runs. Nothing
// else on the page knows which.

/** The object of a reply, with its arrays as typed arrays under `arrays`. */
function decode(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const reply = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  for (const [name, [start, count, kind]] of Object.entries(reply.arrays)) {
    const type = kind === 'f32' ? Float32Array : Uint8Array;
    reply.arrays[name] = new type(buffer, 4 + length + start, count);
  }
  return reply;
}

export class SessionLost extends Error {}
export class NoAnswer extends Error {}

/** One after the other, so that replies come in the order of the messages. */
class Queue {
  #last = Promise.resolve();

  add(work) {
    const result = this.#last.then(work);
    this.#last = result.catch(() => {});
    return result;
  }
}

class Http {
  #queue = new Queue();
  #id;

  constructor() {
    // Taken out of the store while the page lives: a duplicated tab must not find it.
    this.#id = sessionStorage.getItem('session') ?? crypto.randomUUID();
    sessionStorage.removeItem('session');
    addEventListener('pagehide', () => sessionStorage.setItem('session', this.#id));
    addEventListener('pageshow', () => sessionStorage.removeItem('session'));
  }

  async start() {
    const response = await fetch('start');
    return response.json();
  }

  send(message, { steps = 0, milliseconds = 0, begin = false } = {}) {
    return this.#queue.add(async () => {
      const query = new URLSearchParams({ steps, milliseconds, begin });
      let response;
      try {
        response = await fetch(`session/${this.#id}?${query}`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify(message),
        });
      } catch {
        throw new NoAnswer();
      }
      if (response.status === 404) throw new SessionLost();
      // Something else answers in the program's place.
      const isReply = response.headers.get('content-type') === 'application/octet-stream';
      if (response.status !== 413 && !isReply) throw new NoAnswer();
      if (response.status === 413) return { error: 'too_long', arrays: {} };
      return decode(await response.arrayBuffer());
    });
  }
}

class InWorker {
  #worker;
  #waiting = [];

  constructor(worker) {
    this.#worker = worker;
    worker.onmessage = ({ data }) => this.#waiting.shift().resolve(decode(data));
    worker.onerror = (event) => {
      for (const { reject } of this.#waiting.splice(0)) reject(new Error(event.message));
    };
  }

  async start() {
    return null;
  }

  send(message, { steps = 0, milliseconds = 0 } = {}) {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#worker.postMessage({ message: JSON.stringify(message), steps, milliseconds });
    });
  }
}

export async function openCarrier() {
  // A page that carries its engine says so.
  if (globalThis.playgroundEngine) {
    return new InWorker(await globalThis.playgroundEngine());
  }
  return new Http();
}
