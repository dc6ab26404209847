{{/* What several objects have in common. `root` is the context of the chart. */}}

{{/* The end of names of objects that belong to no namespace: nothing in Istio's usual one. */}}
{{- define "mesh.suffix" -}}
{{- if ne .Release.Namespace "istio-system" }}-{{ .Release.Namespace }}{{ end -}}
{{- end -}}

{{- define "mesh.trustDomain" -}}
{{ .Values.global.trustDomain | default "cluster.local" }}
{{- end -}}

{{/* root, image: an image with a slash is taken as it is. */}}
{{- define "mesh.image" -}}
{{- if contains "/" .image }}{{ .image }}
{{- else }}{{ .root.Values.global.hub }}/{{ .image }}:{{ .root.Values.global.tag }}
{{- end -}}
{{- end -}}

{{- define "mesh.logLevel" -}}
{{/* Istio writes default:info. */ -}}
{{ .Values.global.logging.level | trimPrefix "default:" }}
{{- end -}}

{{/* root, labels: those by which the object is found, and those of the release. */}}
{{- define "mesh.labels" -}}
{{ toYaml .labels }}
app.kubernetes.io/part-of: mesh
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
release: {{ .root.Release.Name | quote }}
{{- end -}}

{{/* Where citadel is, and how an identity is proved to it: flags of every component that has one. */}}
{{- define "mesh.identityFlags" -}}
- --trust-domain={{ include "mesh.trustDomain" . }}
- --namespace=$(POD_NAMESPACE)
- --service-account=$(SERVICE_ACCOUNT)
- --mesh-namespace={{ .Release.Namespace }}
- --ca-address=istio-citadel.{{ .Release.Namespace }}.svc:8060
- --ca-root=/var/run/secrets/istio/root-cert.pem
- --token-file=/var/run/secrets/tokens/istio-token
- --log-level={{ include "mesh.logLevel" . }}
{{- end -}}

{{- define "mesh.identityEnvironment" -}}
- name: POD_NAMESPACE
  valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
- name: SERVICE_ACCOUNT
  valueFrom: {fieldRef: {fieldPath: spec.serviceAccountName}}
{{- end -}}

{{- define "mesh.identityMounts" -}}
- {name: istio-token, mountPath: /var/run/secrets/tokens, readOnly: true}
- {name: istio-ca-root-cert, mountPath: /var/run/secrets/istio, readOnly: true}
{{- end -}}

{{- define "mesh.identityVolumes" -}}
- name: istio-token
  projected:
    sources:
      - serviceAccountToken: {audience: istio-ca, expirationSeconds: 43200, path: istio-token}
- name: istio-ca-root-cert
  configMap: {name: istio-ca-root-cert}
{{- end -}}

{{/* Port 15014 of citadel, pilot and mixer. */}}
{{- define "mesh.probes" -}}
livenessProbe:
  httpGet: {path: /healthz, port: http-monitoring}
  periodSeconds: 10
  timeoutSeconds: 5
readinessProbe:
  httpGet: {path: /readyz, port: http-monitoring}
  periodSeconds: 5
  timeoutSeconds: 5
{{- end -}}

{{/*
A Deployment of one container without rights, its ServiceAccount, and what keeps it up.
  root; name; account; labels; values: those of the component; image
  container, volumes: names of the templates of the container's own fields and of the volumes, which
  get this dictionary
  scrape: port and path of its metrics; speaksToServer: whether it may have a token for the API server
*/}}
{{- define "mesh.deployment" -}}
{{- $values := .values -}}
{{- $global := .root.Values.global -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ .account }}
  namespace: {{ .root.Release.Namespace }}
  labels: {{- include "mesh.labels" . | nindent 4 }}
automountServiceAccountToken: false
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels: {{- include "mesh.labels" . | nindent 4 }}
spec:
  {{- if not $values.autoscaleEnabled }}
  replicas: {{ $values.replicaCount | default 1 }}
  {{- end }}
  strategy: {rollingUpdate: {maxSurge: 1, maxUnavailable: 0}}
  selector:
    matchLabels: {{- toYaml .labels | nindent 6 }}
  template:
    metadata:
      labels:
        {{- toYaml .labels | nindent 8 }}
        app.kubernetes.io/part-of: mesh
        sidecar.istio.io/inject: "false"
      annotations:
        prometheus.io/scrape: "true"
        prometheus.io/port: {{ .scrape.port | quote }}
        prometheus.io/path: {{ .scrape.path }}
        {{- with $values.podAnnotations }}{{ toYaml . | nindent 8 }}{{ end }}
    spec:
      serviceAccountName: {{ .account }}
      automountServiceAccountToken: {{ .speaksToServer }}
      {{- with $global.imagePullSecrets }}
      imagePullSecrets:
        {{- range . }}
        - name: {{ . }}
        {{- end }}
      {{- end }}
      {{- with $global.priorityClassName }}
      priorityClassName: {{ . }}
      {{- end }}
      {{- with $values.nodeSelector }}
      nodeSelector: {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $values.tolerations }}
      tolerations: {{- toYaml . | nindent 8 }}
      {{- end }}
      securityContext:
        runAsNonRoot: true
        runAsUser: 1337
        runAsGroup: 1337
        fsGroup: 1337
        seccompProfile: {type: RuntimeDefault}
      containers:
        - image: {{ include "mesh.image" . }}
          imagePullPolicy: {{ $global.imagePullPolicy }}
          securityContext:
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities: {drop: [ALL]}
          resources: {{- toYaml ($values.resources | default $global.defaultResources) | nindent 12 }}
          {{- include .container . | nindent 10 }}
      {{- with include .volumes . }}
      volumes: {{- . | nindent 8 }}
      {{- end }}
{{- if $values.autoscaleEnabled }}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels: {{- include "mesh.labels" . | nindent 4 }}
spec:
  minReplicas: {{ $values.autoscaleMin | default 1 }}
  maxReplicas: {{ $values.autoscaleMax | default 5 }}
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: {{ .name }}}
  metrics:
    - type: Resource
      resource:
        name: cpu
        target:
          type: Utilization
          averageUtilization: {{ dig "cpu" "targetAverageUtilization" 80 $values }}
{{- end }}
{{- if $global.defaultPodDisruptionBudget.enabled }}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels: {{- include "mesh.labels" . | nindent 4 }}
spec:
  # Not minAvailable, with which a node that has the only pod could never be drained.
  maxUnavailable: 1
  selector:
    matchLabels: {{- toYaml .labels | nindent 6 }}
{{- end }}
{{- end -}}
