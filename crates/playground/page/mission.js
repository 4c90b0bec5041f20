// The mission that is on.

import { $ } from './dom.js';
import { MISSIONS, missionStart } from './missions.js';
import { change, refresh, run } from './session.js';
import { page } from './state.js';
import { t } from './texts.js';

export function showMission() {
  const root = $('#mission');
  root.hidden = !page.mission;
  if (!page.mission) return;
  const language = document.documentElement.lang === 'zh' ? 1 : 0;
  const { title, question, change: what, reached } = MISSIONS[page.mission];
  root.querySelector('b').textContent = title[language];
  root.querySelector('.question').textContent = question[language];
  root.querySelector('.change').textContent = what[language];
  page.reached ||= reached({ frame: page.frame, setting: page.description.setting });
  root.classList.toggle('reached', page.reached);
  const text = page.reached ? `✓ ${t('reached')}` : '';
  // A screen reader says what changes, so it changes once.
  const output = root.querySelector('output');
  if (output.textContent !== text) output.textContent = text;
}

export function startMission(name) {
  page.mission = name;
  page.reached = false;
  run(false);
  if (name) change(missionStart(name, page.start));
  else refresh();
}

export function listMissions() {
  const language = document.documentElement.lang === 'zh' ? 1 : 0;
  const list = $('#mission-list ol');
  list.replaceChildren(
    ...Object.entries(MISSIONS).map(([name, { title, question }]) => {
      const item = document.createElement('li');
      const link = document.createElement('a');
      link.href = `#mission=${name}`;
      link.textContent = title[language];
      link.addEventListener('click', (event) => {
        event.preventDefault();
        $('#mission-list').close();
        startMission(name);
      });
      const text = document.createElement('div');
      text.className = 'soft';
      text.textContent = question[language];
      item.append(link, text);
      return item;
    }),
  );
  $('#mission-list').showModal();
}
