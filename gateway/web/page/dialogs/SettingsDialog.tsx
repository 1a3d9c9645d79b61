import { type FormEvent, type ReactNode, useState } from 'react';
import type { ChatSettings, Model } from '../../client/index.js';
import { chooseTheme, THEMES, type Theme, useTheme } from '../app/theme.ts';
import { excessOf } from '../composer/limit.ts';
import { TooLong } from '../composer/TooLong.tsx';
import { useFurtherWords } from '../words/further.ts';
import { chooseLanguage, type Language, useLanguage, useWords } from '../words/words.ts';
import { Dialog } from './Dialog.tsx';

interface SettingsDialogProps {
  settings: ChatSettings;
  models: readonly Model[];
  /** What else belongs to the conversation. */
  children?: ReactNode;
  onSave(settings: ChatSettings): void;
  onClose(): void;
}

const MOST_TOKENS = 1_000_000;
const MOST_PROMPT = 20_000;

/** How this conversation is answered, and how the page looks. */
export default function SettingsDialog({ settings, models, children, onSave, onClose }: SettingsDialogProps) {
  const words = useWords();
  const further = useFurtherWords();
  const language = useLanguage();
  const [theme] = useTheme();
  const [chosen, setChosen] = useState(settings);
  // What is pasted is not cut without a word.
  const excess = excessOf(chosen.systemPrompt ?? '', MOST_PROMPT);
  const change = (part: ChatSettings) => setChosen((before) => ({ ...before, ...part }));
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (excess) return;
    onSave({ ...chosen, systemPrompt: chosen.systemPrompt?.trim() || undefined });
    onClose();
  };
  const themes: Record<Theme, string> = { auto: further.asSystem, light: further.light, dark: further.dark };
  return (
    <Dialog title={words.settings} onClose={onClose}>
      <form className="settings" onSubmit={submit}>
        <fieldset>
          <legend>{further.thisConversation}</legend>
          {models.length > 1 && (
            <label>
              {words.model}
              <select
                value={chosen.model ?? ''}
                onChange={(event) => change({ model: event.target.value || undefined })}
              >
                <option value="">{words.modelDefault}</option>
                {models.map(({ id }) => (
                  <option key={id} value={id}>
                    {id}
                  </option>
                ))}
              </select>
            </label>
          )}
          <label>
            {further.systemPrompt}
            <textarea
              dir="auto"
              rows={4}
              value={chosen.systemPrompt ?? ''}
              placeholder={further.systemPromptHint}
              aria-describedby="prompt-excess"
              aria-invalid={excess !== null}
              onChange={(event) => change({ systemPrompt: event.target.value })}
            />
          </label>
          <TooLong excess={excess} id="prompt-excess" />
          <label>
            {further.temperature}
            <input
              type="number"
              min={0}
              max={2}
              step="any"
              value={chosen.temperature ?? ''}
              placeholder={further.asModel}
              onChange={(event) => change({ temperature: numberOf(event.target.value) })}
            />
          </label>
          <label>
            {further.maxTokens}
            <input
              type="number"
              min={1}
              max={MOST_TOKENS}
              step={1}
              value={chosen.maxTokens ?? ''}
              placeholder={further.asModel}
              onChange={(event) => change({ maxTokens: numberOf(event.target.value) })}
            />
          </label>
        </fieldset>
        <fieldset>
          <legend>{further.thisPage}</legend>
          <label>
            {further.languageLabel}
            <select value={language} onChange={(event) => chooseLanguage(event.target.value as Language)}>
              <option value="auto">{further.asBrowser}</option>
              <option value="en" lang="en">
                English
              </option>
              <option value="zh" lang="zh">
                中文
              </option>
            </select>
          </label>
          <label>
            {further.theme}
            <select value={theme} onChange={(event) => chooseTheme(event.target.value as Theme)}>
              {THEMES.map((each) => (
                <option key={each} value={each}>
                  {themes[each]}
                </option>
              ))}
            </select>
          </label>
        </fieldset>
        {children}
        <footer>
          <button type="button" className="button" onClick={onClose}>
            {words.cancel}
          </button>
          <button type="submit" className="button primary" disabled={excess !== null}>
            {words.save}
          </button>
        </footer>
      </form>
    </Dialog>
  );
}

/** What is no number is refused by the field itself. */
function numberOf(text: string): number | undefined {
  return text.trim() === '' || Number.isNaN(Number(text)) ? undefined : Number(text);
}
