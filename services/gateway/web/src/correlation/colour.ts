/**
 * The colours of −1 to 1: blue over the ground's own shade to orange, in equal steps of OKLab, so that
 * equal differences look equal. Blue and orange are told apart with every common colour blindness, and
 * both ends are as light as each other, so that only the distance from 0 shows as lightness.
 *
 * OKLab: Björn Ottosson, "A perceptual color space for image processing" (2020).
 */

type Lab = readonly [l: number, a: number, b: number];
export type Rgb = readonly [r: number, g: number, b: number];

// Steps on either side of 0.
const STEPS = 128;

export interface Scale {
  /** Of −1 to 1; NaN is undefined, and grey. */
  of: (r: number) => Rgb;
  undefined: Rgb;
}

export function scaleOf(dark: boolean): Scale {
  // Lightness, then chroma and hue of the ends.
  const zero: Lab = dark ? [0.27, 0, 0] : [0.975, 0, 0];
  const negative = dark ? polar(0.76, 0.13, 245) : polar(0.48, 0.16, 255);
  const positive = dark ? polar(0.76, 0.14, 55) : polar(0.48, 0.13, 45);
  const grey = rgbOf(dark ? [0.45, 0, 0] : [0.78, 0, 0]);
  const colours: Rgb[] = [];
  for (let step = -STEPS; step <= STEPS; step += 1) {
    const end = step < 0 ? negative : positive;
    colours.push(rgbOf(between(zero, end, Math.abs(step) / STEPS)));
  }
  return {
    of: (r) => {
      if (Number.isNaN(r)) return grey;
      const step = Math.round(Math.max(-1, Math.min(1, r)) * STEPS);
      return colours[step + STEPS] ?? grey;
    },
    undefined: grey,
  };
}

export function cssOf([r, g, b]: Rgb): string {
  return `rgb(${r} ${g} ${b})`;
}

/** Black or white, whichever is read better on this colour. */
export function inkOn([r, g, b]: Rgb): string {
  const linear = (value: number) => ((value / 255 + 0.055) / 1.055) ** 2.4;
  const luminance = 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  // Here both have a contrast of 4.6; a softer black would fall below 4.5.
  return luminance > 0.18 ? "#000000" : "#ffffff";
}

function polar(l: number, chroma: number, degrees: number): Lab {
  const angle = (degrees * Math.PI) / 180;
  return [l, chroma * Math.cos(angle), chroma * Math.sin(angle)];
}

function between(from: Lab, to: Lab, share: number): Lab {
  const at = (i: 0 | 1 | 2) => from[i] + (to[i] - from[i]) * share;
  return [at(0), at(1), at(2)];
}

function rgbOf([l, a, b]: Lab): Rgb {
  const long = (l + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const medium = (l - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const short = (l - 0.0894841775 * a - 1.291485548 * b) ** 3;
  const encode = (linear: number) => {
    const clipped = Math.max(0, Math.min(1, linear));
    const value = clipped <= 0.0031308 ? 12.92 * clipped : 1.055 * clipped ** (1 / 2.4) - 0.055;
    return Math.round(255 * value);
  };
  return [
    encode(4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short),
    encode(-1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short),
    encode(-0.0041960863 * long - 0.7034186147 * medium + 1.707614701 * short),
  ];
}
