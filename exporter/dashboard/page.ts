// The dashboard: snapshots arrive as server-sent events and become figures, a chart and tables. A stream that stops is
// said loudly, because an old figure that looks new is a wrong figure.

import type { Snapshot } from '../../agent/snapshot.ts';
import { PowerChart, type ChartMode, type HistoryEvent } from './chart.ts';
import { byId, setShown, setText } from './dom.ts';
import { powerNow } from './figures.ts';
import { dateTime, duration, inline, power } from './format.ts';
import { showSummary } from './summary.ts';
import { Tables } from './tables.ts';

const STALE_AFTER_MILLISECONDS = 5000;
const CHECK_MILLISECONDS = 1000;

type State = 'waiting' | 'live' | 'replay' | 'failing' | 'stale' | 'lost';

const STATE_TEXTS: Readonly<Record<State, string>> = {
  waiting: 'Waiting for the first sample',
  live: 'Live',
  replay: 'Replay',
  failing: 'Source down',
  stale: 'Stale',
  lost: 'Disconnected',
};

const chart = new PowerChart(byId('chart'));
const tables = new Tables();
let newest: Snapshot | undefined;
let arrivedMilliseconds = 0;
let connected = false;

function stateNow(): State {
  if (newest === undefined) return connected ? 'waiting' : 'lost';
  if (performance.now() - arrivedMilliseconds > STALE_AFTER_MILLISECONDS) {
    return connected ? 'stale' : 'lost';
  }
  if (newest.sources.some(({ up }) => !up)) return 'failing';
  return newest.live ? 'live' : 'replay';
}

function failureText(): string {
  const down = newest?.sources.filter(({ up }) => !up).map(({ kind }) => kind) ?? [];
  return `${down.join(' and ')} cannot be read now. That time is counted as a gap, not as idle.`;
}

function alarmText(state: State): string {
  switch (state) {
    case 'failing':
      return failureText();
    case 'stale':
      return 'No new figures: Wattmeter runs but has stopped measuring, and what you see is old.';
    case 'lost':
      return newest === undefined
        ? 'No connection to Wattmeter. Trying again.'
        : 'Connection to Wattmeter lost, and what you see is old. Trying again.';
    case 'waiting':
    case 'live':
    case 'replay':
      return '';
  }
}

// Beside the alarm, not in it: a screen reader would say it again each second.
function ageText(state: State): string {
  if (newest === undefined || (state !== 'stale' && state !== 'lost')) return '';
  return `Newest figures ${duration((performance.now() - arrivedMilliseconds) / 1e3)} ago.`;
}

function showState(): void {
  const state = stateNow();
  document.documentElement.dataset['state'] = state;
  setText(byId('state'), STATE_TEXTS[state]);
  const alarm = alarmText(state);
  setText(byId('alarm'), alarm);
  setText(byId('alarm-age'), ageText(state));
  setShown(byId('alarm-box'), alarm !== '');
}

function show(snapshot: Snapshot): void {
  newest = snapshot;
  arrivedMilliseconds = performance.now();
  showSummary(snapshot);
  tables.show(snapshot);
  chart.add(snapshot);
  const total = inline(power(powerNow(snapshot).watts));
  document.title = `${total} · Wattmeter`;
  byId('chart').setAttribute('aria-label', `Power over time; all GPUs now ${total}`);
  setText(byId('taken'), dateTime(snapshot.takenSeconds));
  setShown(byId('replay'), !snapshot.live);
  setText(
    byId('version'),
    `${snapshot.version}${snapshot.revision === '' ? '' : ` (${snapshot.revision})`}`,
  );
  showState();
}

function connect(): void {
  const source = new EventSource('api/v1/stream');
  source.addEventListener('open', () => {
    connected = true;
    showState();
  });
  source.addEventListener('error', () => {
    connected = false;
    showState();
    // The browser gives up on an answer such as 503; a restarting Wattmeter is worth another try.
    if (source.readyState === EventSource.CLOSED) setTimeout(connect, STALE_AFTER_MILLISECONDS);
  });
  source.addEventListener('history', ({ data }: MessageEvent<string>) => {
    chart.begin(JSON.parse(data) as HistoryEvent);
  });
  source.addEventListener('snapshot', ({ data }: MessageEvent<string>) => {
    show(JSON.parse(data) as Snapshot);
  });
}

function listenToModes(): void {
  for (const button of document.querySelectorAll<HTMLButtonElement>('button[data-mode]')) {
    button.addEventListener('click', () => {
      chart.setMode(button.dataset['mode'] as ChartMode);
      for (const other of document.querySelectorAll('button[data-mode]')) {
        other.setAttribute('aria-pressed', String(other === button));
      }
    });
  }
}

listenToModes();
setInterval(showState, CHECK_MILLISECONDS);
connect();
