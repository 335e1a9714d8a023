// Figures as people read them.

export function count(value: number | null): string {
  return value === null ? '-' : Math.round(value).toLocaleString('en');
}

export function rate(value: number | null): string {
  return value === null ? '-' : `${count(value)}/s`;
}

export function ms(value: number | null): string {
  return value === null ? '-' : `${value.toFixed(value < 10 ? 2 : 1)} ms`;
}

export function mebibytes(value: number | null): string {
  return value === null ? '-' : `${(value / 2 ** 20).toFixed(1)} MiB`;
}

export function ratio(value: number | null): string {
  return value === null ? '-' : value.toFixed(2);
}
