// The page of the API in the browser: finding, copying, and unfolding what an address names. The
// page is whole without it.

function start() {
  const blocks = [...document.querySelectorAll('details.operation')];
  const texts = new Map(blocks.map((block) => [block, wordsOf(block)]));
  const find = document.querySelector('#find');
  const found = document.querySelector('#found');
  const unfold = document.querySelector('#unfold');
  document.querySelector('.tools').hidden = false;
  find.addEventListener('input', () => filter(texts, find.value, found));
  unfold.addEventListener('click', () => {
    const isOpening = unfold.textContent === 'Unfold all';
    for (const block of blocks) block.open = isOpening;
    unfold.textContent = isOpening ? 'Fold all' : 'Unfold all';
  });
  document.addEventListener('keydown', (event) => onKey(event, find));
  for (const button of document.querySelectorAll('button.copy')) offerCopy(button);
  globalThis.addEventListener('hashchange', unfoldNamed);
  document.addEventListener('click', (event) => {
    // The same address again is no change of it.
    if (event.target.closest?.('a')?.hash === location.hash) unfoldNamed();
  });
  unfoldNamed();
}

function wordsOf(block) {
  return `${block.id} ${block.textContent}`.toLowerCase();
}

function filter(texts, words, found) {
  const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
  let count = 0;
  for (const [block, text] of texts) {
    block.hidden = !wanted.every((word) => text.includes(word));
    if (!block.hidden) count += 1;
  }
  for (const section of document.querySelectorAll('section.tag')) {
    section.hidden = section.querySelector('details.operation:not([hidden])') === null;
  }
  document.querySelector('section.about').hidden = wanted.length > 0;
  found.textContent = wanted.length === 0 ? '' : `${count} found`;
}

function onKey(event, find) {
  const isTyping = event.target === find;
  if (event.key === '/' && !isTyping && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    find.focus();
  }
  if (event.key === 'Escape' && isTyping) {
    find.value = '';
    find.dispatchEvent(new Event('input'));
    find.blur();
  }
}

function offerCopy(button) {
  // Browsers lend the clipboard only to pages that came over TLS or from this machine.
  if (navigator.clipboard === undefined) return;
  button.hidden = false;
  button.addEventListener('click', () => {
    const text = button.parentElement.querySelector('pre').textContent;
    navigator.clipboard.writeText(text).then(
      () => (button.textContent = 'Copied'),
      () => (button.textContent = 'Not copied'),
    );
  });
}

function unfoldNamed() {
  const named = document.querySelector(`#${CSS.escape(location.hash.slice(1)) || 'none'}`);
  const block = named?.closest('details');
  if (block === null || block === undefined) return;
  for (const hidden of [block, block.closest('section')]) hidden.hidden = false;
  block.open = true;
  block.scrollIntoView();
}

start();
