// Stands in for what runs models: these tests fetch their files only.
export const env = { wasm: {}, webgpu: {}, versions: {} };
export class Tensor {}
export class InferenceSession {}
export default { env, Tensor, InferenceSession };
