{{- define "headrace.name" -}}
{{- if contains "headrace" .Release.Name }}{{ .Release.Name }}{{ else }}{{ .Release.Name }}-headrace{{ end -}}
{{- end }}

{{- define "headrace.labels" -}}
app.kubernetes.io/name: headrace
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end }}

{{- define "headrace.selector" -}}
app.kubernetes.io/name: headrace
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- /* How long a process may take to its end: a load balancer's last requests, the grace, the lease, and some room. */}}
{{- define "headrace.termination" -}}
{{- with .root.Values.drain -}}
{{ add (ternary .preStopSeconds 0 (eq $.component "gateway")) .graceSeconds .leaseSeconds .marginSeconds }}
{{- end -}}
{{- end }}

{{- define "headrace.settings" -}}
- name: HEADRACE_REDIS_URL
  valueFrom:
    secretKeyRef:
      name: {{ required "broker.existingSecret: a Secret with the broker's address" .root.Values.broker.existingSecret }}
      key: {{ .root.Values.broker.key }}
- name: HEADRACE_CELLS
  value: {{ .root.Values.broker.cells | quote }}
- name: HEADRACE_DRAIN_GRACE_S
  value: {{ .root.Values.drain.graceSeconds | quote }}
- name: HEADRACE_LEASE_S
  value: {{ .root.Values.drain.leaseSeconds | quote }}
{{- range $name, $value := .root.Values.settings }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end }}

{{- define "headrace.pod" -}}
metadata:
  labels:
    {{- include "headrace.labels" . | nindent 4 }}
  annotations:
    # Another models.toml is another deployment.
    headrace/models: {{ .root.Values.models | sha256sum }}
    {{- with .values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "headrace.name" .root }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ include "headrace.termination" . }}
  {{- with .root.Values.image.pullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 10001
    runAsGroup: 10001
    fsGroup: 10001
    seccompProfile:
      type: RuntimeDefault
  topologySpreadConstraints:
    - maxSkew: 1
      topologyKey: kubernetes.io/hostname
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "headrace.selector" . | nindent 10 }}
  containers:
    - name: {{ .component }}
      image: "{{ .root.Values.image.repository }}:{{ .root.Values.image.tag | default .root.Chart.AppVersion }}"
      imagePullPolicy: {{ .root.Values.image.pullPolicy }}
      args: [{{ .component }}]
      env:
        {{- include "headrace.settings" . | nindent 8 }}
        {{- .env | nindent 8 }}
      {{- with .values.envFrom }}
      envFrom:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      ports:
        - name: http
          containerPort: 8000
        {{- if eq .component "gateway" }}
        - name: admin
          containerPort: 9000
        {{- end }}
      startupProbe:
        httpGet: { path: /livez, port: http }
        periodSeconds: 1
        failureThreshold: 60
      livenessProbe:
        httpGet: { path: /livez, port: http }
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 3
      readinessProbe:
        httpGet: { path: /readyz, port: http }
        periodSeconds: 2
        timeoutSeconds: 3
        failureThreshold: 2
      {{- if eq .component "gateway" }}
      lifecycle:
        preStop:
          exec:
            command: [sleep, {{ .root.Values.drain.preStopSeconds | quote }}]
      {{- end }}
      resources:
        {{- toYaml .values.resources | nindent 8 }}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities:
          drop: [ALL]
      volumeMounts:
        - name: models
          mountPath: /etc/headrace
          readOnly: true
        - name: tmp
          mountPath: /tmp
  volumes:
    - name: models
      configMap:
        name: {{ include "headrace.name" .root }}-models
    - name: tmp
      emptyDir:
        sizeLimit: 64Mi
{{- end }}
