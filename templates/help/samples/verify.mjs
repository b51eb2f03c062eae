import { createHmac, timingSafeEqual } from "node:crypto";

// headers with small names, body as a Buffer, as it came
export function isGenuine(secret, headers, body) {
  const sentAt = Number(headers["webhook-timestamp"]);
  if (!(Math.abs(Date.now() / 1000 - sentAt) <= 300)) return false;
  const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
  const hmac = createHmac("sha256", key).update(`${headers["webhook-id"]}.${sentAt}.`).update(body);
  const wanted = Buffer.from(`v1,${hmac.digest("base64")}`);
  return headers["webhook-signature"].split(" ").some((text) => {
    const sent = Buffer.from(text);
    return sent.length === wanted.length && timingSafeEqual(sent, wanted);
  });
}
