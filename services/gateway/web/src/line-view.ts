/** Says how the line to the gateway stands, and where the data come from. */

import type { Source } from "./contract";
import { LiveAttribute, LiveText, part } from "./element";
import { age, utcDateTime, utcTime } from "./format";
import type { LineState, Stream } from "./line/stream";

const STATES: Record<LineState, string> = {
  connecting: "Connecting",
  live: "Connected",
  silent: "No answer",
  lost: "Disconnected",
  refused: "Key needed",
};

const SOURCES: Record<Source, { short: string; long: string }> = {
  simulated: {
    short: "Simulated data",
    long: "Simulated data: Cointide's own market simulator makes these prices. They are not real.",
  },
  live: { short: "Live data", long: "" },
  none: { short: "Replay", long: "" },
};

export class LineView {
  /** What the page is called while all is well. */
  title = "live spreads";
  private readonly state = new LiveText(part("line-text"));
  private readonly stateValue = new LiveAttribute(part("line"), "data-state");
  private readonly rootValue = new LiveAttribute(document.documentElement, "data-line");
  private readonly alarm = new LiveText(part("alarm"));
  private readonly countdown = new LiveText(part("countdown"));
  private readonly clock = new LiveText(part("clock"));
  private readonly source = new LiveText(part("source"));
  private readonly notice = new LiveText(part("notice"));
  private lostAt = 0;
  private line: LineState = "connecting";
  private wasLive = false;

  becomes(line: LineState): void {
    if (this.line === "live" && line !== "live") this.lostAt = Date.now();
    this.wasLive ||= line === "live";
    this.line = line;
  }

  shows(source: Source | null): void {
    const words = source ? SOURCES[source] : null;
    this.source.set(words?.short ?? "");
    this.notice.set(words?.long ?? "");
    part("source").hidden = !words;
    part("notice").hidden = !words?.long;
    part("source").dataset["source"] = source ?? "";
  }

  render(stream: Stream, now: number, eventTime: number | null): void {
    this.state.set(STATES[this.line]);
    this.stateValue.set(this.line);
    this.rootValue.set(this.line);
    this.clock.set(
      eventTime === null ? `${utcTime(now)} UTC` : `${utcDateTime(eventTime)} UTC, event time`,
    );
    const trouble = this.trouble();
    part("trouble").hidden = !trouble;
    this.alarm.set(trouble);
    this.countdown.set(trouble ? this.waiting(stream) : "");
    const title = trouble ? "No connection · Cointide" : `Cointide · ${this.title}`;
    if (document.title !== title) document.title = title;
  }

  /** Spoken once by a screen reader, so it holds nothing that counts. */
  private trouble(): string {
    if (this.line === "silent") {
      return "The gateway has stopped sending. What you see is the last it sent.";
    }
    if (this.line === "lost" && !this.wasLive) {
      return "The gateway does not answer yet.";
    }
    if (this.line === "lost") {
      return "Connection to the gateway lost. What you see is the last it sent.";
    }
    return "";
  }

  private waiting(stream: Stream): string {
    const since = this.lostAt ? `For ${age((Date.now() - this.lostAt) / 1000)}. ` : "";
    const seconds = Math.ceil(stream.secondsToRetry);
    if (this.line === "silent") return since;
    return since + (seconds > 0 ? `Next attempt in ${seconds} s.` : "Trying…");
  }
}
