/** Which part of a square matrix is in sight, and where its cells lie beside the names. */

const FEWEST_CELLS = 8;

/** Room for the names, on the left and on top. */
export const GUTTER = 50;

export class PartInSight {
  /** The first column and row in sight, and how many of each; fractions while it is dragged. */
  x = 0;
  y = 0;
  cells = 0;
  /** Of the whole square with its gutter, in CSS pixels. */
  side = 0;
  private size = 0;

  /** The whole of a matrix of so many coins. */
  whole(size = this.size): void {
    this.size = size;
    this.x = this.y = 0;
    this.cells = size;
  }

  get isWhole(): boolean {
    return this.cells >= this.size;
  }

  /** The width of a cell. */
  get cell(): number {
    return (this.side - GUTTER) / Math.max(1, this.cells);
  }

  /** Larger below 1, smaller above; about this place of what is in sight, from 0 to 1. */
  zoom(factor: number, about: readonly [x: number, y: number]): void {
    const least = Math.min(this.size, FEWEST_CELLS);
    const cells = Math.max(least, Math.min(this.size, this.cells * factor));
    const shift = this.cells - cells;
    this.cells = cells;
    this.moveTo(this.x + shift * about[0], this.y + shift * about[1]);
  }

  moveTo(x: number, y: number): void {
    const free = this.size - this.cells;
    this.x = Math.max(0, Math.min(free, x));
    this.y = Math.max(0, Math.min(free, y));
  }

  /** Moves as little as brings a cell into sight. */
  bringIn([column, row]: readonly [column: number, row: number]): void {
    this.moveTo(
      Math.max(column + 1 - this.cells, Math.min(column, this.x)),
      Math.max(row + 1 - this.cells, Math.min(row, this.y)),
    );
  }

  /** The cell at a place of the canvas, null beside all cells. */
  cellAt(left: number, top: number): [column: number, row: number] | null {
    const column = Math.floor((left - GUTTER) / this.cell + this.x);
    const row = Math.floor((top - GUTTER) / this.cell + this.y);
    const inside = left >= GUTTER && top >= GUTTER;
    return inside && column < this.size && row < this.size ? [column, row] : null;
  }

  /** A place of the canvas as shares of what is in sight. */
  shareAt(left: number, top: number): [x: number, y: number] {
    const side = this.side - GUTTER;
    return [(left - GUTTER) / side, (top - GUTTER) / side];
  }

  leftOf(column: number): number {
    return GUTTER + (column - this.x) * this.cell;
  }

  topOf(row: number): number {
    return GUTTER + (row - this.y) * this.cell;
  }
}
