export { type StreamingChatOptions, type UseStreamingChat, useStreamingChat } from './useStreamingChat.js';
