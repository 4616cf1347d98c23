// @ts-check
// Measures and colours of Twilio Paste, which Flex is made of (https://paste.twilio.design/tokens).
export default `
dialog {
  --body: #fff; --text: #121c2d; --weak: #606b85; --line: #e1e3ea; --primary: #0263e0; --hover: #001489;
  --inverse: #fff; --success: #14b053; --error: #d61f1f;
  box-sizing: border-box; width: 30rem; max-width: calc(100vw - 2rem); min-height: 15.5rem; margin: auto; padding: 1.75rem;
  border: 0; border-radius: 0.5rem; outline: 0; background: var(--body); color: var(--text);
  box-shadow: 0 16px 24px 0 rgba(18, 28, 45, 0.2);
  font: 400 0.875rem/1.25rem 'TwilioSansText', 'Inter var', Inter, 'Whitney SSm A', 'Whitney SSm B', Whitney,
    'Helvetica Neue', Helvetica, Arial, sans-serif;
  overflow-wrap: anywhere;
}
dialog[open] { display: grid; grid-template: 1fr auto / 1.75rem 1fr; column-gap: 1rem; }
dialog.dark {
  --body: #1f304c; --text: #fff; --weak: #cacdd8; --line: #4b5671; --primary: #66b3ff; --hover: #99cdff;
  --inverse: #121c2d; --success: #6adc94; --error: #f58a8a;
}
dialog::backdrop { background: rgba(18, 28, 45, 0.7); }
svg { width: 1.75rem; height: 1.75rem; fill: none; stroke: var(--primary); stroke-width: 2.5; stroke-linecap: round;
  stroke-linejoin: round; }
svg .track { stroke: var(--line); }
.done svg { stroke: var(--success); }
.failed svg { stroke: var(--error); }
.busy svg { animation: turn 1s linear infinite; }
h2 { margin: 0 0 0.75rem; font-size: 1.25rem; font-weight: 600; line-height: 1.75rem; }
p { margin: 0 0 0.75rem; color: var(--weak); }
.text { color: var(--text); }
.timer { font-variant-numeric: tabular-nums; }
.foot { grid-column: 1 / -1; height: 2.25rem; text-align: right; }
button { height: 2.25rem; padding: 0 1rem; border: 0; border-radius: 0.25rem; background: var(--primary);
  color: var(--inverse); font: inherit; font-weight: 600; cursor: pointer; }
button:hover { background: var(--hover); }
button:focus-visible { outline: 0; box-shadow: 0 0 0 2px var(--body), 0 0 0 4px var(--primary); }
[hidden] { display: none; }
@keyframes turn { to { transform: rotate(1turn); } }
@media (prefers-reduced-motion: reduce) { .busy svg { animation: none; } }
@media (forced-colors: active) { dialog { border: 1px solid; } }
`;
