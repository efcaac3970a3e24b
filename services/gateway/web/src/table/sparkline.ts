/** A spread over the last minutes in a few pixels; where nothing was seen the line breaks. */

import type { SecondRing } from "../second-ring";

export interface SparkColours {
  line: string;
  end: string;
}

export const SPARK_WIDTH = 120;
export const SPARK_HEIGHT = 22;

export function newSparkCanvas(): HTMLCanvasElement {
  const canvas = document.createElement("canvas");
  const scale = Math.min(2, Math.ceil(window.devicePixelRatio));
  canvas.width = SPARK_WIDTH * scale;
  canvas.height = SPARK_HEIGHT * scale;
  canvas.className = "sparkline";
  canvas.setAttribute("aria-hidden", "true");
  return canvas;
}

/** Draws the seconds up to `until`, so that a market that stopped is seen to drift away. */
export function drawSpark(
  canvas: HTMLCanvasElement,
  ring: SecondRing,
  until: number,
  colours: SparkColours,
): void {
  const context = canvas.getContext("2d");
  if (!context) return;
  const scale = canvas.width / SPARK_WIDTH;
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, SPARK_WIDTH, SPARK_HEIGHT);
  const start = until - ring.seconds + 1;
  let least = Infinity;
  let most = -Infinity;
  for (let second = start; second <= until; second += 1) {
    const value = ring.get(second);
    if (value < least) least = value;
    if (value > most) most = value;
  }
  if (least > most) return;
  // A spread that hardly moves is a flat line, not noise blown up to the full height.
  const span = Math.max(most - least, Math.abs(most) * 0.02, 1e-9);
  const middle = (most + least) / 2;
  const y = (value: number) => SPARK_HEIGHT / 2 - ((value - middle) / span) * (SPARK_HEIGHT - 5);
  const x = (second: number) => ((second - start) / (ring.seconds - 1)) * (SPARK_WIDTH - 4) + 1;
  context.beginPath();
  let drawing = false;
  for (let second = start; second <= until; second += 1) {
    const value = ring.get(second);
    if (Number.isNaN(value)) {
      drawing = false;
    } else if (drawing) {
      context.lineTo(x(second), y(value));
    } else {
      context.moveTo(x(second), y(value));
      // A lone second between two holes is still seen.
      context.lineTo(x(second) + 0.6, y(value));
      drawing = true;
    }
  }
  context.lineWidth = 1.1;
  context.lineJoin = "round";
  context.strokeStyle = colours.line;
  context.stroke();
  const last = ring.get(ring.end);
  if (ring.end === until && !Number.isNaN(last)) {
    context.fillStyle = colours.end;
    context.beginPath();
    context.arc(x(until), y(last), 1.8, 0, 2 * Math.PI);
    context.fill();
  }
}
