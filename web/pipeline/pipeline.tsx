export function Pipeline() {
  return <h2>Pipeline</h2>;
}
