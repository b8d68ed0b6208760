/** A place in a room's history: `<epoch>.<offset>.<event id>`. */
export interface Position {
  epoch: string;
  offset: number;
  id: string;
}

export function parsePosition(value: unknown): Position | null {
  if (typeof value !== 'string') return null;
  const parts = /^([^.]{1,32})\.\+?(\d+)\.([^]{0,64})$/.exec(value);
  if (!parts) return null;
  const [, epoch, digits, id] = parts as unknown as [string, string, string, string];
  const offset = Number(digits);
  return (offset === 0) === (id === '') ? { epoch, offset, id } : null;
}

export function formatPosition({ epoch, offset, id }: Position): string {
  return `${epoch}.${offset}.${id}`;
}
