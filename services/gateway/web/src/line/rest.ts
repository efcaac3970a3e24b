/** Questions over REST. What is refused is an error whose text can be shown. */

import { isFields, type Fields } from "../contract";

export type Parameters = Record<string, string | number | null | undefined>;

const PATIENCE_MS = 15_000;
const PAGES_AT_MOST = 20;
const PAGE_LIMIT = 1_000;

/** The gateway answered, yet not with what was asked for: its RFC 9457 problem. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    detail: string,
  ) {
    super(detail);
  }
}

export class Rest {
  constructor(private readonly key: () => string | null) {}

  /** The answer's object. Parameters without a value are left out. */
  async get(path: string, parameters: Parameters = {}, signal?: AbortSignal): Promise<Fields> {
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries(parameters)) {
      if (value !== null && value !== undefined) query.set(name, String(value));
    }
    const address = query.size ? `${path}?${query.toString()}` : path;
    const headers: Record<string, string> = { Accept: "application/json" };
    const key = this.key();
    if (key) headers["X-API-Key"] = key;
    const timeout = AbortSignal.timeout(PATIENCE_MS);
    const response = await fetch(address, {
      headers,
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
    });
    const body = await readBody(response);
    if (!response.ok) throw new Refused(response.status, problemOf(body, response));
    if (!isFields(body)) throw new Refused(response.status, `${path} answered with no object`);
    return body;
  }

  /** A whole list, page by page; `first` is the first answer, for what stands beside `data`. */
  async list(
    path: string,
    parameters: Parameters = {},
    signal?: AbortSignal,
  ): Promise<{ data: Fields[]; first: Fields }> {
    const data: Fields[] = [];
    let first: Fields | null = null;
    let cursor: string | null = null;
    for (let page = 0; page < PAGES_AT_MOST; page += 1) {
      const body: Fields = await this.get(
        path,
        { ...parameters, limit: PAGE_LIMIT, cursor },
        signal,
      );
      first ??= body;
      if (!Array.isArray(body["data"])) break;
      for (const item of body["data"] as unknown[]) if (isFields(item)) data.push(item);
      cursor = typeof body["next"] === "string" ? body["next"] : null;
      if (!cursor) break;
    }
    return { data, first: first ?? {} };
  }
}

/** One question at a time: a newer one takes the place of the one before. */
export class Latest {
  private asking: AbortController | null = null;

  run<T>(
    ask: (signal: AbortSignal) => Promise<T>,
    done: (answer: T) => void,
    failed: (words: string) => void,
  ): void {
    this.cancel();
    const asking = new AbortController();
    this.asking = asking;
    ask(asking.signal).then(
      (answer) => {
        if (asking.signal.aborted) return;
        this.asking = null;
        done(answer);
      },
      (error: unknown) => {
        if (asking.signal.aborted) return;
        this.asking = null;
        failed(wordsOf(error));
      },
    );
  }

  get busy(): boolean {
    return this.asking !== null;
  }

  cancel(): void {
    this.asking?.abort();
    this.asking = null;
  }
}

/** What went wrong, for a reader. */
export function wordsOf(error: unknown): string {
  if (error instanceof Refused) return error.message;
  if (error instanceof DOMException && error.name === "TimeoutError") {
    return "The gateway did not answer in time.";
  }
  if (error instanceof TypeError) return "The gateway does not answer.";
  return error instanceof Error ? error.message : String(error);
}

/** A time as parameters take it. */
export function isoOf(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace(".000Z", "Z");
}

async function readBody(response: Response): Promise<unknown> {
  try {
    return (await response.json()) as unknown;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

function problemOf(body: unknown, response: Response): string {
  if (isFields(body) && isStarting(body)) {
    return "The gateway is still reading what there is, and answers in a moment.";
  }
  const detail = isFields(body) ? (body["detail"] ?? body["title"]) : null;
  if (typeof detail === "string" && detail) return detail;
  return `expected an answer, was ${response.status} ${response.statusText}`;
}

/** Whether topics have not been read to their ends yet; a reader of the page knows none of them. */
function isStarting({ waiting_for: topics }: Fields): boolean {
  if (!Array.isArray(topics) || topics.length === 0) return false;
  return (topics as unknown[]).every((topic) => typeof topic === "string" && /^\S+$/.test(topic));
}
