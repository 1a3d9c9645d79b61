import type { ComponentProps, ReactNode } from 'react';

interface IconButtonProps extends Omit<ComponentProps<'button'>, 'aria-label' | 'children'> {
  /** Its name, which a pointer resting on it shows too. */
  label: string;
  children: ReactNode;
}

/** A button that is an icon alone. */
export function IconButton({ label, className, children, ...props }: IconButtonProps) {
  const classes = className ? `icon-button ${className}` : 'icon-button';
  return (
    <button type="button" title={label} {...props} className={classes} aria-label={label}>
      {children}
    </button>
  );
}
