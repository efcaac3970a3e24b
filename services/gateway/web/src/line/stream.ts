/** One connection to `/v1/stream` that keeps coming back, and always says how it stands. */

import { readMessage, type Item } from "../contract";
import { Backoff } from "./backoff";
import type { ServerClock } from "./clock";

/**
 * `silent`: connected, yet nothing has come for longer than heartbeats allow.
 * `refused`: the gateway wants a key, so trying again by itself would be of no use.
 */
export type LineState = "connecting" | "live" | "silent" | "lost" | "refused";

export interface Subscription {
  channel: string;
  keys: string[];
  intervalMs?: number;
  /** Where to go on from, asked anew at every connection. */
  resume?: () => Record<string, number> | undefined;
  /** Of `correlations`: the coins of the matrix. */
  coins?: string[];
}

export interface StreamListener {
  items(items: Item[]): void;
  state(state: LineState): void;
  error(code: string, detail: string): void;
}

// A heartbeat comes every second: three missed ones are no accident.
const SILENT_MS = 3_500;
const DEAD_MS = 10_000;
const OPENING_MS = 8_000;
const STABLE_MS = 5_000;
const CLOSED_FOR_KEY = 4401;

export class Stream {
  private socket: WebSocket | null = null;
  private state: LineState = "connecting";
  private lastMessage = 0;
  private lastMessageAt = 0;
  private openedAt = 0;
  private retryAt = 0;
  private retryTimer = 0;
  private readonly watchdog: number;
  private requests = 0;
  private readonly backoff = new Backoff(500, 10_000);
  private readonly online = () => this.retryNow();

  constructor(
    private readonly url: string,
    private readonly subscriptions: Subscription[],
    private readonly clock: ServerClock,
    private readonly key: () => string | null,
    private readonly listener: StreamListener,
  ) {
    this.watchdog = window.setInterval(() => this.watch(), 500);
    window.addEventListener("online", this.online);
    this.connect();
  }

  /** Seconds until the next attempt; 0 where none is planned. */
  get secondsToRetry(): number {
    return this.retryTimer ? Math.max(0, (this.retryAt - performance.now()) / 1000) : 0;
  }

  close(): void {
    window.clearInterval(this.watchdog);
    window.clearTimeout(this.retryTimer);
    window.removeEventListener("online", this.online);
    this.release();
  }

  /** Subscribes one thing more, now and after every loss, until what it returns is called. */
  add(subscription: Subscription): () => void {
    this.subscriptions.push(subscription);
    if (this.socket?.readyState === WebSocket.OPEN) this.ask(this.socket, subscription);
    return () => {
      const index = this.subscriptions.indexOf(subscription);
      if (index < 0) return;
      this.subscriptions.splice(index, 1);
      if (this.socket?.readyState !== WebSocket.OPEN) return;
      const { channel, keys } = subscription;
      this.requests += 1;
      this.socket.send(JSON.stringify({ op: "unsubscribe", id: this.requests, channel, keys }));
    };
  }

  retryNow(): void {
    if (this.socket) return;
    this.connect();
  }

  private connect(): void {
    window.clearTimeout(this.retryTimer);
    this.retryTimer = 0;
    this.openedAt = performance.now();
    this.spoken(this.openedAt);
    const socket = new WebSocket(this.url);
    this.socket = socket;
    socket.onopen = () => this.subscribe(socket);
    socket.onmessage = (event: MessageEvent<unknown>) => this.receive(event.data);
    socket.onclose = (event) => this.lose(event.code);
  }

  private subscribe(socket: WebSocket): void {
    const key = this.key();
    if (key) socket.send(JSON.stringify({ op: "auth", key }));
    for (const subscription of this.subscriptions) this.ask(socket, subscription);
  }

  private ask(socket: WebSocket, subscription: Subscription): void {
    const { channel, keys, intervalMs, resume, coins } = subscription;
    const from = resume?.();
    this.requests += 1;
    socket.send(
      JSON.stringify({
        op: "subscribe",
        id: this.requests,
        channel,
        keys,
        ...(intervalMs === undefined ? {} : { interval_ms: intervalMs }),
        ...(from === undefined ? {} : { resume: from }),
        ...(coins === undefined ? {} : { coins }),
      }),
    );
  }

  private receive(data: unknown): void {
    const now = performance.now();
    this.spoken(now);
    if (typeof data !== "string") return;
    const message = readMessage(data);
    // An open socket alone proves nothing: the line lives once the gateway has spoken.
    if (message.type !== "error") this.become("live");
    if (now - this.openedAt > STABLE_MS) this.backoff.reset();
    switch (message.type) {
      case "items":
        this.listener.items(message.items);
        break;
      case "heartbeat":
        this.clock.heartbeat(message.ts);
        break;
      case "error":
        // Said at once; the gateway itself closes only after seconds.
        if (message.code === "unauthorized") this.lose(CLOSED_FOR_KEY);
        else this.listener.error(message.code, message.detail);
        break;
      case "reconnect":
        this.moveWithin(message.withinSeconds);
        break;
    }
  }

  /** The gateway is about to stop: leave at a time of one's own before it does. */
  private moveWithin(seconds: number): void {
    const socket = this.socket;
    window.setTimeout(() => {
      if (socket && socket === this.socket) this.lose(0);
    }, Math.random() * seconds * 800);
  }

  private spoken(now: number): void {
    this.lastMessage = now;
    this.lastMessageAt = Date.now();
  }

  private watch(): void {
    if (!this.socket) return;
    // The one stands still while a machine sleeps, the other may be put back: neither alone is
    // sure to see a silence.
    const silence = Math.max(
      performance.now() - this.lastMessage,
      Date.now() - this.lastMessageAt,
    );
    if (this.socket.readyState === WebSocket.CONNECTING) {
      if (silence > OPENING_MS) this.lose(0);
    } else if (silence > DEAD_MS) {
      this.lose(0);
    } else if (silence > SILENT_MS && this.state === "live") {
      this.become("silent");
    }
  }

  private lose(code: number): void {
    this.release();
    if (code === CLOSED_FOR_KEY) {
      this.become("refused");
      return;
    }
    this.become("lost");
    const wait = this.backoff.next();
    this.retryAt = performance.now() + wait;
    this.retryTimer = window.setTimeout(() => this.connect(), wait);
  }

  private release(): void {
    const socket = this.socket;
    this.socket = null;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }

  private become(state: LineState): void {
    if (state === this.state) return;
    this.state = state;
    this.listener.state(state);
  }
}
