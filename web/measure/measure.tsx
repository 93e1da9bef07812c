export function Measure() {
  return <h2>Measure</h2>;
}
