/** Pairs whose correlation has changed against the longer window, to open with a click. */

import { LiveText, arrange, element } from "../element";
import { fixed } from "../format";
import type { Matrix } from "./matrix";

// They come with the greatest change first.
const SHOWN_AT_MOST = 12;

export class ChangedPanel {
  readonly node = element("section", {
    class: "panel changed-panel",
    "aria-labelledby": "changed-title",
  });

  private readonly title = new LiveText(element("h2", { id: "changed-title" }));
  private readonly list = element("ul", { "aria-labelledby": "changed-title" });
  private readonly note = new LiveText(element("p", { class: "chart-note" }));
  private entries = new Map<string, Entry>();

  constructor(private readonly open: (a: string, b: string) => void) {
    this.node.append(this.title.host, this.list, this.note.host);
  }

  show({ changedPairs, against }: Matrix): void {
    this.title.set(against ? `Changed against ${against}` : "Changed pairs");
    const shown = changedPairs.slice(0, SHOWN_AT_MOST);
    const entries = new Map<string, Entry>();
    for (const [a, b, z] of shown) {
      const name = `${a} – ${b}`;
      const entry = this.entries.get(name) ?? new Entry(name, () => this.open(a, b));
      entry.z.set(z === null ? "" : ` z ${fixed(z, 1)}`);
      entries.set(name, entry);
    }
    this.entries = entries;
    arrange(
      this.list,
      [...entries.values()].map(({ node }) => node),
    );
    const more = changedPairs.length - shown.length;
    const none = against ? "No pair has." : "A longer window to compare with has no figures yet.";
    this.note.set(more > 0 ? `And ${more} more.` : shown.length ? "" : none);
  }
}

class Entry {
  readonly node = element("li");
  readonly z = new LiveText(element("small"));

  constructor(name: string, clicked: () => void) {
    const button = element("button", { type: "button", class: "button" }, name, this.z.host);
    button.addEventListener("click", clicked);
    this.node.append(button);
  }
}
