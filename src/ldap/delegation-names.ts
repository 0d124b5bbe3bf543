/** The names within one value of a delegation attribute: semicolons separate them, unless escaped as within a DN (rule L6). */
export function delegationNames(value: string): string[] {
  const names: string[] = [];
  let start = 0;
  for (let index = 0; index < value.length; index++) {
    if (value[index] === '\\') index++;
    else if (value[index] === ';') {
      names.push(value.slice(start, index).trim());
      start = index + 1;
    }
  }
  names.push(value.slice(start).trim());
  return names.filter((name) => name !== '');
}
