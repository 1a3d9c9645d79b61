/** How a conversation is answered, where its messages do not say otherwise; what is left out is as the model has it. */
export interface ChatSettings {
  readonly model?: string | undefined;
  /** Put before the conversation, after the model's own. */
  readonly systemPrompt?: string | undefined;
  /** From 0 to 2. */
  readonly temperature?: number | undefined;
  readonly maxTokens?: number | undefined;
}

/** As the server has them. */
export interface StoredSettings {
  model?: string;
  system_prompt?: string;
  temperature?: number;
  max_tokens?: number;
}

export function wireSettings({ model, systemPrompt, temperature, maxTokens }: ChatSettings) {
  return { model, system_prompt: systemPrompt, temperature, max_tokens: maxTokens };
}

export function readSettings(stored: StoredSettings | undefined): ChatSettings {
  if (!stored) return NONE;
  const { model, system_prompt: systemPrompt, temperature, max_tokens: maxTokens } = stored;
  return { model, systemPrompt, temperature, maxTokens };
}

export const NONE: ChatSettings = {};

export function sameSettings(a: ChatSettings, b: ChatSettings): boolean {
  return JSON.stringify(wireSettings(a)) === JSON.stringify(wireSettings(b));
}
