/** Elements in one expression, and writing to them only what has changed. */

export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Record<string, string> = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** Puts these into a host in this order; one that stays keeps the keyboard's focus. */
export function arrange(host: HTMLElement, nodes: HTMLElement[]): void {
  if (nodes.length === host.children.length && nodes.every((node, i) => host.children[i] === node)) {
    return;
  }
  const focused = document.activeElement;
  host.replaceChildren(...nodes);
  if (focused instanceof HTMLElement && host.contains(focused)) {
    focused.focus({ preventScroll: true });
  }
}

/** A text that is written many times: an equal text touches nothing. */
export class LiveText {
  private readonly node = document.createTextNode("");
  private title = "";

  constructor(readonly host: HTMLElement) {
    host.append(this.node);
  }

  get text(): string {
    return this.node.data;
  }

  set(value: string, title = ""): void {
    if (this.node.data !== value) this.node.data = value;
    if (this.title !== title) {
      this.title = title;
      if (title) this.host.title = title;
      else this.host.removeAttribute("title");
    }
  }
}

/** An attribute that is written many times. */
export class LiveAttribute {
  private value: string | null = null;

  constructor(
    private readonly host: HTMLElement,
    private readonly name: string,
  ) {}

  set(value: string): void {
    if (this.value === value) return;
    this.value = value;
    this.host.setAttribute(this.name, value);
  }
}

/** The part of the document that index.html promises. */
export function part<T extends HTMLElement = HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (!found) throw new Error(`expected an element #${id} in index.html, found none`);
  return found as T;
}
