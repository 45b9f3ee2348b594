// The picture of an item, or a drawn one in its place.

import { imageSource } from "./api.js";
import { h } from "./dom.js";

/**
 * Return the picture of an item, or its initials on a colour of its own.
 * @param {{item: string, title: string|null}} row
 * @param {{model: string, domain: string, images: boolean}} place
 */
export function picture(row, { model, domain, images }) {
  const frame = h("span", { class: "picture", "aria-hidden": "true" }, initials(row));
  frame.style.setProperty("--hue", hue(row.item));
  if (images) show(frame, imageSource(model, domain, row.item));
  return frame;
}

/** Put an image in a frame as soon as it is there. */
async function show(frame, source) {
  const src = await source.catch(() => null);
  if (src === null) return;
  const done = () => URL.revokeObjectURL(src);
  const image = h("img", {
    src,
    alt: "",
    loading: "lazy",
    onload: () => {
      frame.classList.add("loaded");
      done();
    },
    onerror: () => {
      image.remove();
      done();
    },
  });
  frame.append(image);
}

function initials({ item, title }) {
  const words = (title ?? item).match(/[\p{L}\p{N}]+/gu) ?? ["?"];
  const great = words.filter((word) => !["the", "a", "an", "of"].includes(word.toLowerCase()));
  const chosen = (great.length ? great : words).slice(0, 2);
  return h("span", {}, chosen.map((word) => word[0].toUpperCase()).join(""));
}

/** Return a hue in degrees that an id always has. */
function hue(id) {
  let sum = 7;
  for (const character of id) sum = (sum * 31 + character.codePointAt(0)) % 360;
  return sum;
}
