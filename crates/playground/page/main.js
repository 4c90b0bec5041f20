// The page: its parts, and what moves them.

import { openCarrier } from './carrier.js';
import { classColor, forgetColors, isDark, variable } from './colors.js';
import { Controls } from './controls.js';
import { Curves } from './curves.js';
import { Digits } from './digits.js';
import { $, remembered, toast } from './dom.js';
import { DecisionMap } from './map.js';
import { listMissions, startMission } from './mission.js';
import { missionOf } from './missions.js';
import { NetworkView } from './network.js';
import { buildSources, edit, sketch, wireTable } from './points.js';
import { saveMap, saveRecord, saveWeights } from './save.js';
import { advance, ask, change, command, describe, hooks, inquire, live, lookAgain, refresh, run, seek, seeking, showRunning } from './session.js';
import { copyLink, fromHash } from './share.js';
import { choose, chooseUnit, draw, showSetting } from './show.js';
import { page, parts } from './state.js';
import { drawSurfaces, lookAround } from './surface.js';
import { setLanguage, t, translate } from './texts.js';
import { showWeight } from './tip.js';
import { TraceView } from './trace.js';

const SPEEDS = [1, 10, 60, 250, 1000, 5000, Infinity];

async function showProgram() {
  const reply = await ask({ do: 'rust' });
  if (!reply?.program) return;
  $('#program pre').textContent = reply.program;
  $('#program').showModal();
}

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  forgetColors();
  redraw();
}

function redraw() {
  for (const button of document.querySelectorAll('.sources button')) sketch(button.value, button.firstChild);
  if (!page.description) return;
  showSetting(page.description.setting);
  draw();
  drawSurfaces();
}

function wire() {
  $('#run').addEventListener('click', () => run(!page.running));
  $('#step').addEventListener('click', () => advance(1));
  $('#epoch').addEventListener('click', () => {
    run(false);
    command({ do: 'epoch' });
  });
  $('#back').addEventListener('click', () => seek((seeking ?? page.frame.step) - 1));
  $('#rewind').addEventListener('click', () => seek(0));
  $('#time').addEventListener('input', (event) => seek(Number(event.target.value)));
  $('#speed').replaceChildren(...SPEEDS.map((speed) => new Option('', speed)));
  $('#speed').value = page.speed;
  $('#speed').addEventListener('change', (event) => (page.speed = Number(event.target.value)));
  const layers = (next) => {
    const setting = structuredClone(page.wanted ?? page.description.setting);
    setting.model.hidden = next(setting.model.hidden);
    change(setting);
  };
  $('#fewer').addEventListener('click', () => layers((hidden) => hidden.slice(0, -1)));
  $('#more').addEventListener('click', () => layers((hidden) => [...hidden, hidden.at(-1) ?? 4]));
  $('#again').addEventListener('click', () => {
    const setting = structuredClone(page.wanted ?? page.description.setting);
    setting.model.seed += 1;
    change(setting);
  });
  $('#show-test').addEventListener('change', (event) => {
    page.showTest = event.target.checked;
    draw();
  });
  $('#theme').addEventListener('click', () => {
    const theme = isDark() ? 'light' : 'dark';
    remembered.set('theme', theme);
    setTheme(theme);
  });
  $('#language').addEventListener('click', () => {
    const code = document.documentElement.lang === 'zh' ? 'en' : 'zh';
    remembered.set('language', code);
    speak(code);
  });
  $('#share').addEventListener('click', copyLink);
  $('#curves details').addEventListener('toggle', refresh);
  $('#rust').addEventListener('click', showProgram);
  $('#missions').addEventListener('click', listMissions);
  $('#mission button').addEventListener('click', () => {
    startMission(null);
    showSetting(page.description.setting);
  });
  $('#compare').addEventListener('click', async () => {
    run(false);
    await ask({ do: page.comparing ? 'part' : 'keep' });
    if (!page.comparing) {
      await ask({ do: 'seek', step: 0 });
      toast(t('compare_hint'));
    }
    refresh();
  });
  $('#save-weights').addEventListener('click', saveWeights);
  $('#save-record').addEventListener('click', saveRecord);
  $('#save-picture').addEventListener('click', saveMap);
  $('#copy').addEventListener('click', async () => {
    await navigator.clipboard.writeText($('#program pre').textContent);
    toast(t('program_copied'));
  });
  wireTable();
  addEventListener('hashchange', async () => {
    page.mission = missionOf(location.hash);
    page.reached = false;
    change(await fromHash(location.hash, page.start));
  });
  document.addEventListener('keydown', (event) => {
    if (event.target.closest('input, select, textarea, button, summary, dialog, canvas[tabindex]') || event.ctrlKey || event.metaKey || event.altKey) return;
    const work = {
      ' ': () => run(!page.running),
      ArrowRight: () => advance(1),
      ArrowLeft: () => seek((seeking ?? page.frame.step) - 1),
      Home: () => seek(0),
      End: () => seek(page.frame.end),
    }[event.key];
    if (!work) return;
    event.preventDefault();
    work();
  });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', ({ matches }) => {
    if (!remembered.get('theme')) setTheme(matches ? 'dark' : 'light');
  });
}

function speak(code) {
  setLanguage(code);
  translate();
  $('#compare').title = t('compare_hint');
  for (const option of $('#speed').options) option.textContent = option.value === 'Infinity' ? t('fastest') : Number(option.value).toLocaleString();
  showRunning();
  redraw();
}

async function begin() {
  Object.assign(hooks, { draw, lookAround, showSetting });
  parts.carrier = await openCarrier();
  buildSources();
  parts.controls = new Controls({ data: $('#data'), model: $('#model'), loss: $('#loss'), optimizer: $('#optimizer') }, change);
  parts.map = new DecisionMap($('#map'), { choose, edit });
  parts.keptMap = new DecisionMap($('#kept canvas'), { choose, edit: () => {} });
  parts.digits = new Digits($('#digits'), {
    choose,
    classify: async (pixels) => (page.description?.setting.data.source === 'digits' ? (await inquire({ do: 'classify', pixels }))?.said : null),
  });
  parts.traceView = new TraceView($('#numbers'), {
    choose,
    chooseUnit,
    chooseWeight: (weight) => {
      page.weight = weight;
      draw();
    },
    close: () => choose(null),
    unfold: () => {
      lookAgain();
    },
  });
  parts.network = new NetworkView($('.stage'), {
    change: (hidden) => {
      const setting = structuredClone(page.wanted ?? page.description.setting);
      setting.model.hidden = hidden;
      change(setting);
    },
    chooseUnit,
    hoverUnit: (layer, index) => {
      page.hoveredUnit = layer === null ? null : { layer, index };
      if (page.frame.step !== undefined) draw();
    },
    hoverWeight: showWeight,
  });
  const before = (name) => (data) => ({ values: data.kept?.[`kept.curve.${name}`], steps: data.kept?.['kept.curve.step'], label: t('before'), color: variable('--soft'), faint: true });
  const line = (name, label, dashed) => (data) => ({ values: data.arrays[`curve.${name}`], label: t(label), dashed, color: dashed ? classColor(1) : classColor(0) });
  const lines = (...given) => (data) => given.map((make) => make(data));
  const layers = (name) => (data) => Array.from({ length: data.layers }, (_, layer) => ({ values: data.arrays[`curve.${name}.${layer}`], label: t('layer', layer + 1), color: classColor(layer) }));
  parts.curves = [
    new Curves($('#loss-curve'), { lines: lines(before('train_loss'), line('train_loss', 'train'), line('test_loss', 'tested', true)), logarithmic: true, seek }),
    new Curves($('#accuracy-curve'), { lines: lines(before('train_accuracy'), line('train_accuracy', 'train'), line('test_accuracy', 'tested', true)), range: [0, 1.02], seek }),
    new Curves($('#rate-curve'), { lines: lines(line('learning_rate', 'learning_rate')), seek }),
    new Curves($('#gradient-curve'), { lines: layers('gradients'), logarithmic: true, seek }),
    new Curves($('#update-curve'), { lines: layers('updates'), logarithmic: true, seek }),
  ];
  new ResizeObserver(drawSurfaces).observe($('#way'));
  wire();
  setTheme(remembered.get('theme') ?? (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light'));

  // The session that this tab had, if it is still there.
  page.description = await parts.carrier.send({ do: 'describe' }, { begin: true });
  page.frame.revision = page.description.revision;
  page.start = (await parts.carrier.send({ do: 'defaults' })).setting;
  page.mission = missionOf(location.hash);
  const given = await parts.carrier.start();
  const asked = location.hash.length > 1 ? await fromHash(location.hash, page.start) : page.description.step > 0 ? null : given;
  speak(remembered.get('language') ?? navigator.language ?? 'en');
  if (asked && JSON.stringify(asked) !== JSON.stringify(page.description.setting)) {
    await ask({ do: 'set', setting: asked });
    await describe();
  }
  live();
}

begin();
