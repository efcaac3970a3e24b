/** The band in which a spread usually lies: its baseline of 30 minutes, and so many σ up and down. */

import type { Column } from "../chart/history";

export const BAND_SIGMAS = 2;

export interface Band {
  lower: Column;
  upper: Column;
}

/** `sigmas` are those of the natural logarithm, so the band reaches further up than down. */
export function bandOf(baselines: Column, sigmas: Column): Band {
  const edge = (sign: number) =>
    baselines.map((usual, i) => {
      const sigma = sigmas[i] ?? null;
      return usual === null || sigma === null ? null : usual * Math.exp(sign * BAND_SIGMAS * sigma);
    });
  return { lower: edge(-1), upper: edge(1) };
}
