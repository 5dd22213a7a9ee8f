// The state of the page in the fragment of its address, which no browser sends to any server.

const LONGEST = 60_000; // signs of an address that browsers and chat programs still carry
const LARGEST = 16_000_000; // bytes that a fragment may unpack to

/** Bytes packed and written so that they may stand in an address. */
async function pack(text) {
  const stream = new Blob([text]).stream().pipeThrough(new CompressionStream("deflate-raw"));
  const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
  let said = "";
  for (let at = 0; at < bytes.length; at += 0x8000) said += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  return btoa(said).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

async function unpack(said) {
  const bytes = Uint8Array.from(atob(said.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
  const reader = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw")).getReader();
  const decoder = new TextDecoder();
  let text = "", size = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    if ((size += value.length) > LARGEST) throw new RangeError("too large");
    text += decoder.decode(value, { stream: true });
  }
}

/** What stands in the address of a request that is too long for one. */
export const TOO_LONG = "#too-long";

/** The fragment for a state: the sample by name, an own request by its text. Null where it would be
 * too long for an address. */
export async function fragment({ sample, text, kept, tab, width }) {
  const said = new URLSearchParams();
  if (sample) said.set("sample", sample);
  else if (text.length > LONGEST * 20) return null;
  else said.set("r", await pack(text));
  if (kept) kept.sample ? said.set("beside", kept.sample) : said.set("b", await pack(kept.text));
  if (tab !== "why") said.set("tab", tab);
  if (width) said.set("width", width);
  const whole = `#${said}`;
  return whole.length > LONGEST ? null : whole;
}

/** What an address asks for; `text` is null where a sample is named or nothing is, and where it was
 * `tooLong`. Throws for a link
 * that is cut or was changed. */
export async function read(address) {
  const said = new URLSearchParams(address.hash.slice(1));
  const plain = new URLSearchParams(address.search);
  return {
    tooLong: address.hash === TOO_LONG,
    sample: said.get("sample") ?? (said.has("r") ? null : plain.get("sample")),
    text: said.has("r") ? await unpack(said.get("r")) : null,
    beside: { sample: said.get("beside"), text: said.has("b") ? await unpack(said.get("b")) : null },
    tab: said.get("tab"),
    width: said.get("width"),
  };
}
