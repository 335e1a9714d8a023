// Whether memory is taken ahead: as the product does by itself, unless this environment says that a
// load is too small for it.

export const MEMORY_AHEAD = process.env['HOLDFAST_MEMORY_AHEAD'] === 'none' ? 'none' : 'full';
