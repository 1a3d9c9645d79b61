import { memo } from 'react';
import { AssistantMessage } from './AssistantMessage.tsx';
import type { MessageProps } from './messageProps.ts';
import { UserMessage } from './UserMessage.tsx';

export const Message = memo(function Message(props: MessageProps) {
  const { role, content } = props.message;
  if (role === 'user') return <UserMessage {...props} />;
  if (role === 'assistant') return <AssistantMessage {...props} />;
  return <p className="message note">{content}</p>;
});
