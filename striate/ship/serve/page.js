// Sends a photo to /predict and shows what comes back. Texts are set as texts, never as HTML.
"use strict";

const part = (id) => document.getElementById(id);
const TOP = 5;
let last = null; // the photo on show, to be asked about again when another model is chosen
let others = 0; // that were given with it
let asked = 0; // an answer to an earlier photo that comes late is not shown
let mapped = new Map(); // by the name of a model, whether it says where it sees the likeliest class

async function ask(file) {
  last = file;
  const mine = ++asked;
  part("problem").textContent = "";
  part("busy").textContent = "looking …";
  try {
    if (!mapped.has(part("model").value)) await offer();
    const named = part("model").value;
    const model = named && `&model=${encodeURIComponent(named)}`;
    const headers = { "content-type": "application/octet-stream", ...shown() };
    const address = `/predict?top=${TOP}${model}${mapped.get(named) ? "&map=true" : ""}`;
    const answer = await fetch(address, { method: "POST", headers, body: file });
    const told = await answer.json();
    if (mine !== asked) return;
    if (answer.status === 422 && /has no map/.test(told.error)) { // another file is served than when the page was opened
      mapped.clear();
      return ask(file);
    }
    if (answer.ok) show(file, told.predictions[0]);
    else if (answer.status === 401) complain("This server wants its token, above.");
    else complain(told.error.replace(/\bthe body\b/, () => file.name || "the picture"));
  } catch (error) {
    if (mine === asked) complain(`The server cannot be reached: ${error.message}`);
  }
}

function shown() {
  const token = part("token")?.value ?? "";
  return /^[!-~]+$/.test(token) ? { authorization: `Bearer ${token}` } : {}; // no other is right, nor can be sent
}

// Asks for the models, which are told only to who has the token, and offers their names where the page has none.
async function offer() {
  const answer = await fetch("/models", { headers: shown() });
  if (!answer.ok) return; // whoever asks about a photo is told why
  const models = await answer.json();
  mapped = new Map(models.map(({ name, map }) => [name, map]));
  part("models")?.replaceChildren(...models.map(({ name }) => Object.assign(document.createElement("option"), { value: name })));
  if (!part("model").value) part("model").value = models[0].name;
}

function complain(reason) {
  part("busy").textContent = "";
  part("answer").hidden = true;
  part("problem").textContent = reason;
}

function show(file, prediction) {
  part("busy").textContent = "";
  const photo = part("shown");
  const more = others ? [`the first of ${others + 1} photos: one is looked at at a time`] : [];
  const unsure = prediction.unknown ? ["unknown: no class is as probable as this server asks for"] : [];
  const notes = [...more, ...unsure, ...prediction.notes];
  URL.revokeObjectURL(photo.src);
  photo.onerror = () => {
    for (const id of ["photo", "overlay"]) part(id).hidden = true;
    part("notes").textContent = ["this browser cannot show the picture", ...notes].join("; ");
  };
  part("photo").hidden = false;
  const paper = /laid on \((.*?)\)/.exec(prediction.notes.join()); // white needs no numbers
  photo.style.background = paper ? `rgb(${paper[1]})` : "white";
  photo.src = URL.createObjectURL(file);
  photo.alt = `the photo: ${prediction.answers[0].class}`;
  const rows = prediction.answers.map(({ class: name, probability }) => {
    const row = document.createElement("tr");
    const head = document.createElement("th");
    head.scope = "row";
    head.textContent = name;
    const bar = document.createElement("span");
    bar.className = "bar";
    bar.style.width = `${100 * probability}%`;
    const cell = document.createElement("td");
    cell.append(bar);
    const number = document.createElement("td");
    number.className = "number";
    number.textContent = `${(100 * probability).toFixed(1)} %`;
    row.append(head, cell, number);
    return row;
  });
  part("classes").tBodies[0].replaceChildren(...rows);
  part("notes").textContent = notes.join("; ");
  part("overlay").hidden = !prediction.map;
  part("answer").hidden = false;
  part("answer").scrollIntoView({ block: "nearest" });
  photo.onload = prediction.map ? () => lay(prediction.map, prediction.seen, photo) : null;
  part("map").hidden = !prediction.map || !part("lay").checked;
}

// Lays a colour over the photo where the map speaks for the class, one that few photos have; what the network does not
// see of it is dark.
function lay(map, [top, bottom, left, right], photo) {
  const small = document.createElement("canvas");
  small.width = map[0].length;
  small.height = map.length;
  const most = Math.max(...map.flat(), 1e-9);
  const pixels = small.getContext("2d").createImageData(small.width, small.height);
  map.flat().forEach((value, place) => {
    pixels.data.set([255, 0, 170, 150 * Math.max(0, value / most)], 4 * place);
  });
  small.getContext("2d").putImageData(pixels, 0, 0);
  const canvas = part("map");
  canvas.width = Math.min(photo.naturalWidth, 1024);
  canvas.height = (canvas.width * photo.naturalHeight) / photo.naturalWidth;
  const [width, height] = [canvas.width, canvas.height];
  const paper = canvas.getContext("2d");
  const seen = [left * width, top * height, (right - left) * width, (bottom - top) * height];
  paper.fillStyle = "rgb(0 0 0 / .72)";
  paper.fillRect(0, 0, width, height);
  paper.clearRect(...seen);
  paper.imageSmoothingQuality = "high";
  paper.drawImage(small, ...seen);
}

function take(files) {
  if (!files.length) {
    ++asked; // what comes now is of an earlier photo
    return complain("That is no file. Save the photo, then drop or choose its file.");
  }
  others = files.length - 1;
  ask(files[0]);
}

const drop = part("drop");
for (const name of ["dragenter", "dragover"]) {
  drop.addEventListener(name, (event) => {
    event.preventDefault();
    drop.classList.add("over");
  });
}
for (const name of ["dragleave", "drop"]) drop.addEventListener(name, () => drop.classList.remove("over"));
drop.addEventListener("drop", (event) => {
  event.preventDefault();
  take(event.dataTransfer.files);
});
part("file").addEventListener("change", (event) => {
  if (event.target.files.length) take(event.target.files);
  event.target.value = ""; // so that the same file can be chosen again
});
document.addEventListener("paste", (event) => {
  if (event.clipboardData.files.length) take(event.clipboardData.files);
});
part("model").addEventListener("change", () => last && ask(last));
part("token")?.addEventListener("change", async () => {
  await offer().catch(() => null);
  if (last) ask(last);
});
part("lay").addEventListener("change", (event) => {
  part("map").hidden = !event.target.checked;
});
